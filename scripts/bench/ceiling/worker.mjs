// The least that a Worker can do for an event: one insert and one send, and a consumer that only posts. What
// wrangler dev does with it on this machine is the ceiling for what Posthorn can do on it.
const LANES = 6

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("up")
    const id = crypto.randomUUID()
    const body = await request.text()
    await env.DB.prepare("INSERT INTO events (id, body) VALUES (?, ?)").bind(id, body).run()
    await env.EVENTS.send({ body, urls: request.headers.get("x-urls").split(" ") })
    return Response.json({ id }, { status: 202 })
  },

  async queue(batch) {
    const requests = batch.messages.flatMap(({ body: { urls, body } }) => urls.map((url) => ({ url, body })))
    async function lane() {
      for (let one = requests.pop(); one; one = requests.pop()) {
        const answer = await fetch(one.url, { method: "POST", body: one.body })
        await answer.arrayBuffer()
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
  },
}
