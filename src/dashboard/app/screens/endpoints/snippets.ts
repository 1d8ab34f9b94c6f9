/**
 * How a receiver verifies a delivery, by the name of the language: a function of the raw body and of the headers
 * `webhook-id`, `webhook-timestamp` and `webhook-signature`. `WEBHOOK_SECRET` holds the signing secret. Each is run by
 * test/system/snippets.test.ts, where its language is installed.
 */
export const SNIPPETS: Readonly<Record<string, { label: string; install?: string; code: string }>> = {
  javascript: {
    label: "JavaScript",
    code: `import { createHmac, timingSafeEqual } from "node:crypto"

const key = Buffer.from(process.env.WEBHOOK_SECRET.split("whsec_")[1], "base64")

export function verify(body, id, timestamp, signatures) {
  const mac = createHmac("sha256", key).update(id + "." + timestamp + ".").update(body)
  const expected = Buffer.from("v1," + mac.digest("base64"))
  const isGenuine = signatures
    .split(" ")
    .map((one) => Buffer.from(one))
    .some((one) => one.length === expected.length && timingSafeEqual(one, expected))
  return isGenuine && Math.abs(Date.now() / 1000 - timestamp) < 300
}`,
  },
  python: {
    label: "Python",
    code: `import base64, hmac, os, time

key = base64.b64decode(os.environ["WEBHOOK_SECRET"].split("whsec_")[1])

def verify(body, id, timestamp, signatures):
    mac = hmac.digest(key, f"{id}.{timestamp}.".encode() + body, "sha256")
    expected = b"v1," + base64.b64encode(mac)
    is_genuine = any(hmac.compare_digest(one, expected) for one in signatures.encode().split())
    return is_genuine and abs(time.time() - int(timestamp)) < 300`,
  },
  go: {
    label: "Go",
    code: `import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"strconv"
	"strings"
	"time"
)

func verify(body []byte, id, timestamp, signatures string) bool {
	_, secret, _ := strings.Cut(os.Getenv("WEBHOOK_SECRET"), "whsec_")
	key, err := base64.StdEncoding.DecodeString(secret)
	if err != nil || len(key) == 0 {
		panic("WEBHOOK_SECRET")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(append([]byte(id+"."+timestamp+"."), body...))
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	isGenuine := false
	for _, one := range strings.Fields(signatures) {
		isGenuine = isGenuine || hmac.Equal([]byte(one), []byte(expected))
	}
	sent, _ := strconv.ParseInt(timestamp, 10, 64)
	return isGenuine && time.Since(time.Unix(sent, 0)).Abs() < 5*time.Minute
}`,
  },
  java: {
    label: "Java",
    code: `import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

class Receiver {
  static boolean verify(byte[] body, String id, String timestamp, String signatures)
      throws Exception {
    byte[] key = Base64.getDecoder().decode(System.getenv("WEBHOOK_SECRET").substring(6));
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    mac.update((id + "." + timestamp + ".").getBytes());
    byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes();
    boolean isGenuine =
        Arrays.stream(signatures.split(" "))
            .anyMatch(one -> MessageDigest.isEqual(one.getBytes(), expected));
    return isGenuine
        && Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(timestamp)) < 300;
  }
}`,
  },
  csharp: {
    label: "C#",
    code: `using System.Security.Cryptography;
using System.Text;

static class Receiver
{
    public static bool Verify(byte[] body, string id, string timestamp, string signatures)
    {
        var key = Convert.FromBase64String(
            Environment.GetEnvironmentVariable("WEBHOOK_SECRET")!["whsec_".Length..]);
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        var mac = Convert.ToBase64String(HMACSHA256.HashData(key, signed));
        var expected = Encoding.UTF8.GetBytes("v1," + mac);
        var isGenuine = signatures.Split(' ').Any(one =>
            CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(one), expected));
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        return isGenuine && Math.Abs(now - long.Parse(timestamp)) < 300;
    }
}`,
  },
  ruby: {
    label: "Ruby",
    code: `require "openssl"

KEY = ENV.fetch("WEBHOOK_SECRET")[6..].unpack1("m")

def verify(body, id, timestamp, signatures)
  mac = OpenSSL::HMAC.digest("SHA256", KEY, "#{id}.#{timestamp}.#{body}")
  expected = "v1," + [mac].pack("m0")
  is_genuine = signatures.split.any? { |one| OpenSSL.secure_compare(one, expected) }
  is_genuine && (Time.now.to_i - timestamp.to_i).abs < 300
end`,
  },
  php: {
    label: "PHP",
    code: `<?php
function verify($body, $id, $timestamp, $signatures)
{
    $key = base64_decode(substr(getenv("WEBHOOK_SECRET"), 6)) ?: throw new Exception("WEBHOOK_SECRET");
    $mac = hash_hmac("sha256", "$id.$timestamp.$body", $key, true);
    $expected = "v1," . base64_encode($mac);
    $isGenuine = array_filter(explode(" ", $signatures), fn($one) => hash_equals($expected, $one));
    return $isGenuine && abs(time() - $timestamp) < 300;
}`,
  },
  rust: {
    label: "Rust",
    install: "cargo add standardwebhooks http",
    code: `use http::HeaderMap;
use standardwebhooks::Webhook;

fn verify(body: &[u8], headers: &HeaderMap) -> bool {
    let secret = std::env::var("WEBHOOK_SECRET").expect("WEBHOOK_SECRET");
    let key = secret.strip_prefix("whsec_").expect("whsec_");
    Webhook::new(key).expect("whsec_").verify(body, headers).is_ok()
}`,
  },
}
