import { describe, expect, it } from "vitest"
import { expectRefusedTarget, outcomeOf, register, tokenWorld, withSettings } from "../support/access.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { createWorld } from "../support/world.ts"

const PRIVATE_TARGETS = [
  "http://0.0.0.0/",
  "http://0.1.2.3/",
  "http://10.0.0.1/",
  "http://10.255.255.255:8080/",
  "http://100.64.0.1/",
  "http://127.0.0.1/",
  "http://127.255.255.254/",
  "http://169.254.169.254/latest/meta-data/",
  "http://172.16.0.1/",
  "http://172.31.255.255/",
  "http://192.0.0.1/",
  "http://192.0.2.1/",
  "http://192.88.99.1/",
  "http://192.168.0.1/",
  "http://198.18.0.1/",
  "http://198.19.255.255/",
  "http://198.51.100.1/",
  "http://203.0.113.1/",
  "http://224.0.0.1/",
  "http://239.255.255.255/",
  "http://240.0.0.1/",
  "http://255.255.255.255/",
  "http://[::]/",
  "http://[::1]/",
  "http://[::127.0.0.1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[::ffff:169.254.169.254]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[64:ff9b::10.0.0.1]/",
  "http://[64:ff9b:1::1]/",
  "http://[100::1]/",
  "http://[2001::1]/",
  "http://[2001:db8::1]/",
  "http://[2002:7f00:1::]/",
  "http://[3fff::1]/",
  "http://[5f00::1]/",
  "http://[fc00::1]/",
  "http://[fd12:3456::1]/",
  "http://[fe80::1]/",
  "http://[fec0::1]/",
  "http://[ff02::1]/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://017700000001/",
  "http://127.1/",
  "http://127.0.1/",
  "http://3232235521/",
  "http://0xa9fea9fe/",
  "http://127.0.0.1./",
  "http://127.0.0.1../",
  "http://１２７.０.０.１/",
  "http://①②⑦.⓪.⓪.①/",
  "http://127。0。0。1/",
  "http://%31%32%37.0.0.1/",
  "http://localhost/",
  "http://LOCALHOST/",
  "http://localhost./",
  "http://ｌｏｃａｌｈｏｓｔ/",
  "http://local\u00adhost/",
  "http://%6c%6f%63%61%6c%68%6f%73%74/",
  "http://foo.localhost/",
  "http://metadata.google.internal/",
  "http://metadata.google.internal./",
  "http://printer.local/",
  "http://router.home.arpa/",
  "https:127.0.0.1",
  "http:\\\\127.0.0.1\\",
  "http:///127.0.0.1/",
  " http://127.0.0.1/",
]

describe("a target in a private network", () => {
  it.each(PRIVATE_TARGETS)("is refused at registration in token mode: %s", async (url) => {
    await expectRefusedTarget(await tokenWorld(), url)
  })

  it.each([
    "ftp://receiver.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ws://receiver.example/",
    "//receiver.example/",
    "receiver.example/hook",
    "http://",
    "http://user@receiver.example/",
    "http://user:password@receiver.example/",
    "http://@127.0.0.1/",
    "http://receiver.example:99999/",
    "http://receiver.example\n/",
    "http://receiver\t.example/",
    "http://receiver.example/\u0000",
    "http://exa mple.com/",
    "http://a..b/",
    "http://[::1/",
    "http://[fe80::1%25eth0]/",
    `http://receiver.example/${"x".repeat(2048)}`,
  ])("is refused like every URL that is no target: %j", async (url) => {
    await expectRefusedTarget(await tokenWorld(), url)
  })

  it.each([
    "http://1.1.1.1/",
    "http://93.184.216.34/",
    "http://192.88.98.255/",
    "http://192.88.100.1/",
    "http://223.255.255.255/",
    "http://[2606:4700:4700::1111]/",
    "http://[2001:200::1]/",
    "http://[64:ff9b::1.1.1.1]/",
    "https://receiver.example:8443/hook?token=x",
    "http://localhost.example/",
    "http://internal.example/",
  ])("has public neighbours that pass: %s", async (url) => {
    expect((await register(await tokenWorld(), url)).status).toBe(200)
  })

  it.each(["http://10.0.0.1/hook", "http://localhost:9000/hook", "http://[::ffff:127.0.0.1]:9000/hook"])(
    "is refused again at the first attempt, and no request is made: %s",
    async (url) => {
      const world = await createWorld({ ALLOW_PRIVATE_TARGETS: "true" })
      await registerHook(world, url)
      const eventId = await registerUser(world, "alice")
      await world.runDue(false, withSettings(world, { ALLOW_PRIVATE_TARGETS: "false" }))
      expect(await outcomeOf(world, eventId)).toEqual(["failed", "refused-target", "refused-target"])
      expect(world.receivers.received).toEqual([])
    },
  )

  it("is refused again at a retry", async () => {
    const world = await createWorld({ ALLOW_PRIVATE_TARGETS: "true" })
    const url = "http://10.0.0.1/hook"
    world.receivers.at(url, 500)
    await registerHook(world, url)
    const eventId = await registerUser(world, "alice")
    await world.runDue()
    expect(world.receivers.received).toHaveLength(1)
    world.clock.advance(6_000)
    await world.runDue(false, withSettings(world, { ALLOW_PRIVATE_TARGETS: "false" }))
    expect(world.receivers.received).toHaveLength(1)
    expect(await outcomeOf(world, eventId)).toEqual(["failed", "refused-target", "refused-target"])
  })

  it("is refused again at a ping, which says so", async () => {
    const world = await createWorld({ ALLOW_PRIVATE_TARGETS: "true" })
    await registerHook(world, "http://10.0.0.1/hook")
    const strict = withSettings(world, { ALLOW_PRIVATE_TARGETS: "false" })
    const pass = world.clock.whileAsleep
    world.clock.whileAsleep = async (ms) => {
      await world.runDue(false, strict)
      await pass(ms)
    }
    const answer = await world.fetch("/ping", { method: "POST" })
    const { failed_webhooks: failed } = await answer.json<{ failed_webhooks: unknown[] }>()
    expect(failed).toEqual([
      { event: "user_registered", url: "http://10.0.0.1/hook", error: "Target refused", status_code: null },
    ])
    expect(world.receivers.received).toEqual([])
  })
})
