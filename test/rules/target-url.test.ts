import { describe, expect, it } from "vitest"
import {
  checkTargetUrl,
  isLoopbackHost,
  type TargetRefusal,
  targetKey,
} from "../../src/engine/rules/target-url.ts"

const PUBLIC = { allowPrivate: false, ownOrigins: [] }
const PRIVATE = { allowPrivate: true, ownOrigins: [] }

const verdict = (
  url: string,
  options: Parameters<typeof checkTargetUrl>[1] = PUBLIC,
): TargetRefusal | "ok" => {
  const result = checkTargetUrl(url, options)
  return result.ok ? "ok" : result.reason
}

describe("an address in a blocked range", () => {
  it.each([
    ["0.0.0.0/8", "0.0.0.0", "0.255.255.255"],
    ["10.0.0.0/8", "10.0.0.0", "10.255.255.255"],
    ["100.64.0.0/10", "100.64.0.0", "100.127.255.255"],
    ["127.0.0.0/8", "127.0.0.0", "127.255.255.255"],
    ["168.63.129.16/32", "168.63.129.16", "168.63.129.16"],
    ["169.254.0.0/16", "169.254.0.0", "169.254.255.255"],
    ["172.16.0.0/12", "172.16.0.0", "172.31.255.255"],
    ["192.0.0.0/24", "192.0.0.0", "192.0.0.255"],
    ["192.0.2.0/24", "192.0.2.0", "192.0.2.255"],
    ["192.88.99.0/24", "192.88.99.0", "192.88.99.255"],
    ["192.168.0.0/16", "192.168.0.0", "192.168.255.255"],
    ["198.18.0.0/15", "198.18.0.0", "198.19.255.255"],
    ["198.51.100.0/24", "198.51.100.0", "198.51.100.255"],
    ["203.0.113.0/24", "203.0.113.0", "203.0.113.255"],
    ["224.0.0.0/4", "224.0.0.0", "239.255.255.255"],
    ["240.0.0.0/4", "240.0.0.0", "255.255.255.255"],
    ["::/8", "[::]", "[ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["64:ff9b:1::/48", "[64:ff9b:1::]", "[64:ff9b:1:ffff:ffff:ffff:ffff:ffff]"],
    ["100::/64", "[100::]", "[100::ffff:ffff:ffff:ffff]"],
    ["100:0:0:1::/64", "[100:0:0:1::]", "[100:0:0:1:ffff:ffff:ffff:ffff]"],
    ["2001::/23", "[2001::]", "[2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["2001:db8::/32", "[2001:db8::]", "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["2002::/16", "[2002::]", "[2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["3fff::/20", "[3fff::]", "[3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["5f00::/16", "[5f00::]", "[5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["fc00::/7", "[fc00::]", "[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["fe80::/10", "[fe80::]", "[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["fec0::/10", "[fec0::]", "[feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
    ["ff00::/8", "[ff00::]", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
  ])("is refused at both ends of %s", (_range, first, last) => {
    expect(verdict(`http://${first}/`)).toBe("private")
    expect(verdict(`https://${last}:8443/hook`)).toBe("private")
  })

  it("may be a target when private targets are allowed", () => {
    expect(verdict("http://127.0.0.1:3000/", PRIVATE)).toBe("ok")
    expect(verdict("http://[fd00::1]/", PRIVATE)).toBe("ok")
    expect(verdict("http://localhost:3000/", PRIVATE)).toBe("ok")
  })
})

describe("an address beside a blocked range", () => {
  it.each([
    ["0.0.0.0/8", null, "1.0.0.0"],
    ["10.0.0.0/8", "9.255.255.255", "11.0.0.0"],
    ["100.64.0.0/10", "100.63.255.255", "100.128.0.0"],
    ["127.0.0.0/8", "126.255.255.255", "128.0.0.0"],
    ["168.63.129.16/32", "168.63.129.15", "168.63.129.17"],
    ["169.254.0.0/16", "169.253.255.255", "169.255.0.0"],
    ["172.16.0.0/12", "172.15.255.255", "172.32.0.0"],
    ["192.0.0.0/24", "191.255.255.255", "192.0.1.0"],
    ["192.0.2.0/24", "192.0.1.255", "192.0.3.0"],
    ["192.88.99.0/24", "192.88.98.255", "192.88.100.0"],
    ["192.168.0.0/16", "192.167.255.255", "192.169.0.0"],
    ["198.18.0.0/15", "198.17.255.255", "198.20.0.0"],
    ["198.51.100.0/24", "198.51.99.255", "198.51.101.0"],
    ["203.0.113.0/24", "203.0.112.255", "203.0.114.0"],
    ["224.0.0.0/4", "223.255.255.255", null],
    ["::/8, 100::/64 and 100:0:0:1::/64", null, "[100:0:0:2::]"],
    ["2001::/23", "[2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[2001:200::]"],
    ["2001:db8::/32", "[2001:db7:ffff:ffff:ffff:ffff:ffff:ffff]", "[2001:db9::]"],
    ["2002::/16", "[2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[2003::]"],
    ["3fff::/20", "[3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[3fff:1000::]"],
    ["5f00::/16", "[5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[5f01::]"],
    ["fc00::/7", "[fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[fe00::]"],
    ["fe80::/10", "[fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", null],
  ])("passes below and above %s", (_range, below, above) => {
    for (const host of [below, above].filter((neighbour) => neighbour !== null)) {
      expect(verdict(`http://${host}/`), host).toBe("ok")
    }
  })

  it.each([
    "1.1.1.1",
    "93.184.216.34",
    "192.88.98.255",
    "192.88.100.1",
    "223.255.255.255",
    "[2606:4700:4700::1111]",
    "[2001:200::1]",
  ])("passes as %s", (host) => {
    expect(verdict(`https://${host}/hook`)).toBe("ok")
  })
})

describe("a private address in disguise", () => {
  it.each([
    ["decimal", "2130706433"],
    ["hexadecimal", "0x7f000001"],
    ["octal", "017700000001"],
    ["mixed", "0x7f.1"],
    ["short", "127.1"],
    ["shorter", "0"],
    ["octal parts", "0300.0250.0.1"],
    ["a trailing dot", "127.0.0.1."],
    ["a short form with a trailing dot", "127.1."],
    ["full-width digits", "１２７.0.0.1"],
    ["ideographic full stops", "127。0。0。1"],
    ["percent-encoding", "%31%32%37.0.0.1"],
    ["cloud metadata in decimal", "2852039166"],
    ["loopback", "[::1]"],
    ["loopback in full", "[0:0:0:0:0:0:0:1]"],
    ["IPv4-mapped", "[::ffff:7f00:1]"],
    ["IPv4-mapped, dotted", "[::ffff:127.0.0.1]"],
    ["IPv4-mapped, private", "[::FFFF:10.0.0.1]"],
    ["IPv4-compatible", "[::127.0.0.1]"],
    ["IPv4-translated", "[::ffff:0:127.0.0.1]"],
    ["6to4", "[2002:7f00:1::]"],
    ["Teredo", "[2001:0:7f00:1::]"],
    ["NAT64 of loopback", "[64:ff9b::7f00:1]"],
    ["NAT64 of a private address, dotted", "[64:ff9b::192.168.0.1]"],
    ["NAT64 of metadata", "[64:ff9b::a9fe:a9fe]"],
  ])("is refused when spelled as %s", (_spelling, host) => {
    expect(verdict(`http://${host}/hook`)).toBe("private")
  })

  it("is judged by the embedded address behind NAT64", () => {
    expect(verdict("http://[64:ff9b::1.1.1.1]/")).toBe("ok")
    expect(verdict("http://[64:ff9b::dfff:ffff]/")).toBe("ok")
    expect(verdict("http://[64:ff9b::e000:0]/")).toBe("private")
    expect(verdict("http://[64:ff9b::1:0:0]/")).toBe("private")
  })
})

describe("a name", () => {
  it.each([
    "localhost",
    "LOCALHOST",
    "localhost.",
    "%6cocalhost",
    "ⓛocalhost",
    "api.localhost",
    "a.b.LocalHost.",
    "metadata.google.internal",
    "metadata.google.internal.",
    "printer.local",
    "PRINTER.LOCAL.",
    "router.home.arpa",
    "home.arpa",
    "redis",
    "REDIS.",
    "metadata",
    "instance-data",
    "ip6-localhost",
    "ip6-loopback",
    "notlocalhost",
    "com",
    "your-webhook-receiver-url",
    "localhost.localdomain",
    "localhost4.localdomain4.localdomain",
    "redis.default.svc",
    "kubernetes.default.svc.cluster.local",
    "instance-data.ec2.internal",
    "host.docker.internal",
    "nas.lan",
    "wiki.corp",
    "printer.home",
    "app.intranet",
    "vault.private",
  ])("of a private network is refused: %s", (host) => {
    expect(verdict(`http://${host}:8080/hook`)).toBe("private")
  })

  it.each([
    "example.com",
    "example.com.",
    "localhost.example.com",
    "lan.example.com",
    "corp.example",
    "redis.example.com",
    "notlan.example",
    "internal.example.com",
    "mylocal.example",
    "arpa.example",
    "local-host.dev",
    "127.0.0.1.nip.io",
    "bücher.example",
    "1.2.3.com",
  ])("of the public internet passes: %s", (host) => {
    expect(verdict(`https://${host}/hook`)).toBe("ok")
  })

  it.each([
    "http://your-webhook-receiver-url/webhook",
    "http://redis:6379/",
    "http://nas.lan/",
    "http://localhost.localdomain/",
    "http://168.63.129.16/",
    "http://[100:0:0:1::1]/",
  ])("of a private network passes where those are allowed: %s", (url) => {
    expect(verdict(url, PRIVATE)).toBe("ok")
  })

  it.each(["169.254.169.254", "[fd00:ec2::254]", "192.0.0.192", "100.100.100.200", "168.63.129.16"])(
    "is not needed to find a cloud's metadata: %s is refused",
    (host) => {
      expect(verdict(`http://${host}/latest/meta-data`)).toBe("private")
    },
  )
})

describe("a URL that is no target", () => {
  it.each<[string, string, TargetRefusal]>([
    ["nothing", "", "unparsable"],
    ["white space", "   ", "unparsable"],
    ["a word", "webhook", "unparsable"],
    ["a path", "/webhook", "unparsable"],
    ["a host without a scheme", "example.com/webhook", "unparsable"],
    ["no host", "http://", "unparsable"],
    ["a space in the host", "http://exa mple.com/", "unparsable"],
    ["a port out of range", "http://example.com:65536/", "unparsable"],
    ["an IPv4 address out of range", "http://256.0.0.1/", "unparsable"],
    ["a broken IPv6 address", "http://[::1/", "unparsable"],
    ["an IPv6 zone", "http://[fe80::1%25eth0]/", "unparsable"],
    ["a host that is a dot", "http://./", "unparsable"],
    ["an empty label", "http://a..example/", "unparsable"],
    ["an address with two trailing dots", "http://127.0.0.1../", "unparsable"],
    ["a name with two trailing dots", "http://localhost../", "unparsable"],
    ["a leading dot", "http://.example.com/", "unparsable"],
    ["ftp", "ftp://example.com/", "scheme"],
    ["a web socket", "wss://example.com/", "scheme"],
    ["a file", "file:///etc/passwd", "scheme"],
    ["a script", "javascript:alert(1)", "scheme"],
    ["a data URL", "data:text/plain,hi", "scheme"],
    ["a host taken for a scheme", "localhost:3000/hook", "scheme"],
    ["a user and password", "https://user:secret@example.com/", "credentials"],
    ["a user", "https://user@example.com/", "credentials"],
    ["a password", "https://:secret@example.com/", "credentials"],
    ["a line break", "https://example.com/a\nb", "control-characters"],
    ["a tab in the host", "http://local\thost/", "control-characters"],
    ["a trailing carriage return", "https://example.com/\r", "control-characters"],
    ["a NUL", "https://example.com/\0", "control-characters"],
    ["a DEL", "https://example.com/\u007f", "control-characters"],
    ["a C1 control", "https://example.com/\u0085", "control-characters"],
    ["an unpaired high surrogate", "https://example.com/\ud83d", "control-characters"],
    ["an unpaired low surrogate", "https://example.com/\udc0e", "control-characters"],
  ])("is refused: %s", (_case, url, reason) => {
    expect(verdict(url)).toBe(reason)
    expect(verdict(url, PRIVATE)).toBe(reason)
  })

  it("is refused when longer than 2,048 characters", () => {
    const longest = `https://example.com/${"a".repeat(2_048 - "https://example.com/".length)}`
    expect(verdict(longest)).toBe("ok")
    expect(verdict(`${longest}a`)).toBe("too-long")
    expect(verdict(`${longest}a`, PRIVATE)).toBe("too-long")
  })

  it.each([
    ["unparsable", "http://t0psecret..example/", PUBLIC],
    ["scheme", "ftp://t0psecret.example/", PUBLIC],
    ["credentials", "https://user:t0psecret@example.com/", PUBLIC],
    ["too-long", `https://example.com/${"t0psecret".repeat(300)}`, PUBLIC],
    ["private", "http://127.0.0.1/t0psecret", PUBLIC],
    ["own-host", "http://own.example/t0psecret", { ...PUBLIC, ownOrigins: ["https://own.example"] }],
    ["control-characters", "https://example.com/t0psecret\n", PUBLIC],
  ])("gets a sentence that does not repeat it: %s", (reason, url, options) => {
    const result = checkTargetUrl(url, options)
    expect(result).toMatchObject({ ok: false, reason })
    expect(result).toHaveProperty("message", expect.stringMatching(/^The URL .*\.$/))
    expect(JSON.stringify(result)).not.toContain("t0psecret")
  })
})

describe("a URL that is a target", () => {
  it.each([
    ["a query", "https://example.com/hook?token=a%20b&x"],
    ["a fragment", "https://example.com/hook#part"],
    ["a port", "https://example.com:8443/"],
    ["an emoji", "https://example.com/🐎"],
    ["an upper-case scheme", "HTTPS://EXAMPLE.COM/Hook"],
    ["an at sign in the path", "https://example.com/@user"],
  ])("may hold %s", (_case, url) => {
    expect(verdict(url)).toBe("ok")
  })

  it("comes back parsed", () => {
    const result = checkTargetUrl("http://EXAMPLE.com:80/a b", PUBLIC)
    expect(result).toMatchObject({ ok: true, url: { href: "http://example.com/a%20b" } })
  })
})

describe("our own host", () => {
  const verdicts = (url: string, origin: string) =>
    [true, false].map((allowPrivate) => verdict(url, { allowPrivate, ownOrigins: [origin] }))
  const OWN = ["own-host", "own-host"]

  it.each([
    "https://posthorn.example.workers.dev/",
    "https://posthorn.example.workers.dev/api/v1/app",
    "https://POSTHORN.example.workers.dev./",
    "https://posthorn.example.workers.dev:443/",
    "http://posthorn.example.workers.dev/",
    "http://posthorn.example.workers.dev:443/",
    "https://posthorn.example.workers.dev:80/",
  ])("is refused in every mode as %s", (url) => {
    expect(verdicts(url, "https://posthorn.example.workers.dev")).toEqual(OWN)
  })

  it.each([
    "https://posthorn.example.workers.dev:8443/",
    "https://other.example.workers.dev/",
    "https://example.workers.dev/",
    "https://a.posthorn.example.workers.dev/",
  ])("is not %s", (url) => {
    expect(verdicts(url, "https://posthorn.example.workers.dev")).toEqual(["ok", "ok"])
  })

  it.each(["http://127.0.0.1:8799", "http://localhost:8799", "http://[::1]:8799", "http://0.0.0.0:8799"])(
    "on this machine is refused in every spelling of loopback: %s",
    (origin) => {
      for (const host of [
        "127.0.0.1",
        "127.1",
        "127.9.9.9",
        "2130706433",
        "localhost",
        "LOCALHOST.",
        "posthorn.localhost",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:7f00:1]",
        "[::ffff:0.0.0.0]",
      ]) {
        expect(verdicts(`http://${host}:8799/hook`, origin), host).toEqual(OWN)
        expect(verdicts(`https://${host}:8799/hook`, origin), host).toEqual(OWN)
      }
    },
  )

  it.each(["http://127.0.0.1:9000/", "http://localhost/", "http://10.0.0.1:8799/", "http://0.0.0.1:8799/"])(
    "on this machine is not %s",
    (url) => {
      expect(verdicts(url, "http://127.0.0.1:8799")).toEqual(["ok", "private"])
    },
  )

  it("on this machine keeps the default ports apart", () => {
    expect(verdicts("http://127.0.0.1/", "http://localhost")).toEqual(OWN)
    expect(verdicts("https://127.0.0.1/", "http://localhost")).toEqual(["ok", "private"])
  })

  it("in a private network is refused as a mapped address too", () => {
    expect(verdicts("http://[::ffff:192.168.1.5]:8799/", "http://192.168.1.5:8799")).toEqual(OWN)
    expect(verdicts("http://[::ffff:192.168.1.6]:8799/", "http://192.168.1.5:8799")).toEqual([
      "ok",
      "private",
    ])
  })

  it("is any of several", () => {
    const ownOrigins = ["https://a.example", "http://127.0.0.1:8799"]
    expect(verdict("https://a.example/", { allowPrivate: true, ownOrigins })).toBe("own-host")
    expect(verdict("http://localhost:8799/", { allowPrivate: true, ownOrigins })).toBe("own-host")
    expect(verdict("https://b.example/", { allowPrivate: true, ownOrigins })).toBe("ok")
  })

  it("has to be configured as a URL", () => {
    expect(() => verdict("https://a.example/", { allowPrivate: true, ownOrigins: ["posthorn"] })).toThrow(
      TypeError,
    )
  })
})

describe("the key of a target", () => {
  it.each([
    ["http://example.com/f#x", "http://example.com/f"],
    ["http://example.com/f#", "http://example.com/f"],
    ["HTTP://Example.com#x", "http://example.com/"],
    ["http://example.com/f?a#b?c", "http://example.com/f?a"],
    ["http://example.com/%23x", "http://example.com/%23x"],
  ])("leaves the fragment of %s out", (url, key) => {
    expect(targetKey(new URL(url))).toBe(key)
  })
})

describe("a loopback host", () => {
  it.each([
    "localhost",
    "LOCALHOST",
    "posthorn.localhost",
    "127.0.0.1",
    "127.0.0.53",
    "127.255.255.255",
    "[::1]",
    "::1",
  ])("is %s", (hostname) => {
    expect(isLoopbackHost(hostname)).toBe(true)
  })

  it.each([
    "",
    "0.0.0.0",
    "128.0.0.1",
    "126.255.255.255",
    "10.0.0.1",
    "[::]",
    "[::2]",
    "[::ffff:7f00:1]",
    "example.com",
    "127.0.0.1.example.com",
    "localhost.example.com",
    "notlocalhost",
    "evil@localhost/",
    "localhost:8799",
    ":::::",
  ])("is not %j", (hostname) => {
    expect(isLoopbackHost(hostname)).toBe(false)
  })
})
