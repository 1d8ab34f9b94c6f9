/**
 * Why our document says something else than Svix's, on purpose: [where, what, why]; `*` stands for anything.
 */
const EXPLANATIONS = [
  [
    "HEAD *",
    "the operation is missing",
    "HEAD is answered wherever GET is (RFC 9110); ids are unique in our document, so it names GET alone",
  ],
  [
    "* /api/v1/auth/logout",
    "the status 40* is our own",
    "Svix's document names no refusal of the logout; there are some",
  ],
  [
    "* /api/v1/auth/logout",
    "the status 42* is our own",
    "Svix's document names no refusal of the logout; there are some",
  ],
  [
    "GET /api/v1/health/ping",
    "the status 4* is our own",
    "every operation of the API names the same refusals",
  ],
  ["GET /api/v1/health/ping", "operationId is v1.health.ping, not undefined", "every operation has an id"],
  ["GET /api/v1/health/ping", "tags are Health, not undefined", "every operation has a tag"],
  [
    "* *content",
    "the status 204 is our own",
    "Svix's document names no success here; its server answers 204 too",
  ],
  ["*", "the status 400 is our own", "named where it can happen"],
  ["*", "the status 415 is our own", "compressed bodies are not unpacked"],
  ["*", "the status 413 is our own", "bodies and payloads are bounded"],
  ["*", "the status 421 is our own", "open mode answers loopback hosts alone"],
  ["*", "the status 500 is our own", "named, although it should not happen"],
  ["*", "the status 503 is our own", "a deployment that lacks a secret or its tables says so"],
  ["*", "the status 507 is our own", "a full database takes no more messages"],
  ["*", "the status 508 is our own", "our own deliveries must not come back to us"],

  ["* /api/v1/*", "query * is *, not *null*", "a parameter of a query cannot be null: it is left out"],
  [
    "* /api/v1/*",
    "query limit has *",
    "1 to 250 rows, 50 if nothing is said: Svix's document leaves it open",
  ],
  [
    "* /api/v1/*",
    "query iterator has *",
    "an iterator is one that a list has answered, `-` in front leads back",
  ],
  ["* /api/v1/*", "path attempt_id has maxLength 256, not not set", "ids are bounded"],
  ["*", "*metadata{} has maxLength 1024, not not set", "every text has a maximum"],
  ["*", "*name has maxLength 256, not not set", "every text has a maximum"],
  ["*", "*description has maxLength 4096, not not set", "every text has a maximum"],
  ["*", "eventTypes has maxItems 1000, not not set", "every list has a maximum"],
  [
    "* /api/v1/app/{app_id}*",
    "the parameter path app_id is our own",
    "Svix's document forgets it here, though the path has it",
  ],
  ["* /api/v1/*", "header idempotency-key has pattern *", "keys are bounded: 1 to 256 printable characters"],

  [
    "*",
    "*has format not set, not *int*",
    "JSON has numbers; where a width limits them, minimum and maximum say so",
  ],
  [
    "*",
    "*throttleRate has m*",
    "1 to 65,535 where it is given, in PATCH as elsewhere; answers repeat no limits",
  ],
  ["*Out", "* has m* not set, not *", "answers repeat no limits of the input"],
  ["*Out", "url has format not set, not uri", "answered as it was typed, which may be no URI by the letter"],
  ["ListResponse_*", "*terator is required", "always answered, null for an empty page"],
  ["AppPortalAccessIn", "featureFlags has maxItems *", "bounded"],
  ["AppPortalAccessIn", "* is our own", "sent by the official clients, as the hosted API has it"],
  ["*", "*metadata is null or object, not object", "null is taken for nothing, as some clients send it"],
  ["ApplicationPatch", "name has minLength 1, not not set", "a name is as long in PATCH as elsewhere"],
  [
    "EndpointPatch",
    "* has m* *, not not set",
    "as bounded in PATCH as in POST and PUT, as Svix's server has it",
  ],
  [
    "Endpoint*In",
    "* has maxLength 200, not not set",
    "a secret is Ed25519 or 24 to 64 bytes: the pattern of Svix's document would refuse whsk_",
  ],
  [
    "Endpoint*",
    "* has pattern not set, not ^(whsec_)*",
    "Ed25519 keys (whsk_) are taken too; which text is a secret is checked and said in words",
  ],

  [
    "* /api/v1/app/{app_id}/shard/{shard}",
    "an operation of our own",
    "the operator's alone: it moves an application to another database",
  ],
  [
    "* /api/v1/app/{app_id}/msg/dry-run",
    "an operation of our own",
    "who would get a message, and who not and why, before it is sent",
  ],
  [
    "* /api/v1/app/{app_id}/msg/{msg_id}/verdict",
    "an operation of our own",
    "for each endpoint what became of a message, or why it is not for it",
  ],
  [
    "* /api/v1/app/{app_id}/endpoint/{endpoint_id}/attempt-stats",
    "an operation of our own",
    "of Svix's hosted API, which the newest clients have a method for",
  ],
  [
    "* /api/v1/app/{app_id}/endpoint/{endpoint_id}/history",
    "an operation of our own",
    "what was attempted at an endpoint, hour by hour: for bars",
  ],
  [
    "* /api/v1/app/{app_id}/endpoint/{endpoint_id}/health",
    "an operation of our own",
    "how an endpoint is, in a word, and a day of its hours",
  ],
  ["* /api/v1/app/{app_id}/endpoint-health", "an operation of our own", "the same of a page of endpoints"],
  [
    "* /api/v1/app/{app_id}/endpoint/{endpoint_id}/delivery-counts",
    "an operation of our own",
    "counts for the filters of a list that is looked at again every few seconds",
  ],
  [
    "* /api/v1/app/{app_id}/event-example/{event_type_name}",
    "an operation of our own",
    "an example is changed before it is sent",
  ],
  ["EventExampleIn", "payload is our own", "an example is changed before it is sent"],
  [
    "* /api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/cancel",
    "an operation of our own",
    "a retry that nobody wants any more need not be made",
  ],
  [
    "* /api/v1/app/{app_id}/message-progress",
    "an operation of our own",
    "how far the messages of a list are",
  ],
  ["*EndpointOut", "disabledReason is our own", "a person wants to know why an endpoint gets nothing"],
  [
    "* /api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/exchange",
    "an operation of our own",
    "one attempt as a person looks at it: what was sent, and what came back",
  ],
  [
    "POST /api/v1/auth/app/{app_id}/expire-all",
    "an operation of our own",
    "asked for by the official clients, as the hosted API has it",
  ],
  ["GET /api/v1/auth/session", "an operation of our own", "what a page may show, and to whom"],
  ["* /api/v1/overview/*", "an operation of our own", "all applications at once, for whoever operates them"],
  ["* /api/v1/inbox*", "an operation of our own", "receivers to try deliveries with"],
  ["EventType*", "enforceSchema is our own", "an event type may ask that messages fit its newest schema"],
  // What Svix's document hides, and its server takes and answers all the same.
  ["HttpErrorOut", "hint is our own", "what to do about a token that is not taken, beside Svix's words"],
  [
    "* /api/v1/background-task*",
    "an operation of our own",
    "the hosted API's list of what a recovery answers, and a way to end one",
  ],
  [
    "POST /api/v1/auth/dashboard-access/{app_id}",
    "an operation of our own",
    "hidden by Svix: the older name of app-portal-access",
  ],
  [
    "GET /api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/headers",
    "an operation of our own",
    "of earlier documents of Svix's, and of the hosted API",
  ],
  ["ApplicationOut", "rateLimit is our own", "hidden by Svix: the older name of throttleRate, for version 1"],
  ["*EndpointOut", "rateLimit is our own", "hidden by Svix: the older name of throttleRate, for version 1"],
  ["*EndpointOut", "filterTypes is our own", "hidden by Svix: the older name of eventTypes, for version 1"],
  ["*Endpoint*", "version is our own", "hidden by Svix: clients of version 1 send it and cannot do without"],
  ["MessageIn", "transformationsParams is our own", "hidden by Svix: how its clients send a text as it is"],
  [
    "POST /api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate",
    "the status 200 is our own",
    "the hosted API answers the new secret with 200, and its newest clients need it; older ones get 204",
  ],
  ["EndpointIn", "headers is our own", "sent by the official clients, as the hosted API has it"],
  [
    "EndpointHeadersPatchIn",
    "deleteHeaders is our own",
    "sent by the official clients, as the hosted API has it",
  ],
]

/**
 * What is taken although neither document names it, as by Svix's server: [component, field, why]. Versions 1
 * of the official clients send these names, and those for Java and Kotlin do today.
 * @type {[component: string, field: string, why: string][]}
 */
export const HIDDEN = [
  ["EndpointIn", "filterTypes", "the older name of eventTypes"],
  ["EndpointIn", "rateLimit", "the older name of throttleRate"],
  ["EndpointUpdate", "filterTypes", "the older name of eventTypes"],
  ["EndpointUpdate", "rateLimit", "the older name of throttleRate"],
  ["EndpointPatch", "filterTypes", "the older name of eventTypes"],
  ["EndpointPatch", "rateLimit", "the older name of throttleRate"],
  ["ApplicationIn", "rateLimit", "the older name of throttleRate"],
  ["ApplicationPatch", "rateLimit", "the older name of throttleRate"],
  ["MessageIn", "data", "the older name of payload"],
]

const used = new Set()

/** The explanation of a difference; null if there is none. */
export function explain(place, text) {
  const rule = EXPLANATIONS.find(([where, what]) => fits(where, place) && fits(what, text))
  if (!rule) return null
  used.add(rule)
  return rule[2]
}

/** Explanations that no difference needs any more. */
export function unused() {
  return EXPLANATIONS.filter((rule) => !used.has(rule)).map(([where, what]) => `${where}: ${what}`)
}

function fits(pattern, text) {
  const source = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
  return new RegExp(`^${source.join(".*")}$`).test(text)
}
