/** How a receiver verifies a delivery, by the name of the language. `WEBHOOK_SECRET` holds the signing secret. */
export const SNIPPETS: Readonly<Record<string, { label: string; install: string; code: string }>> = {
  javascript: {
    label: "JavaScript",
    install: "npm install standardwebhooks",
    code: `import express from "express"
import { Webhook } from "standardwebhooks"

const webhook = new Webhook(process.env.WEBHOOK_SECRET)

express()
  .post("/webhooks", express.raw({ type: "*/*" }), (request, response) => {
    let event
    try {
      event = webhook.verify(request.body.toString(), request.headers)
    } catch {
      return response.status(400).end()
    }
    response.status(204).end()
  })
  .listen(3000)`,
  },
  python: {
    label: "Python",
    install: "pip install standardwebhooks flask",
    code: `import os
from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])

@app.post("/webhooks")
def receive():
    try:
        event = webhook.verify(request.get_data(), request.headers)
    except WebhookVerificationError:
        return "", 400
    return "", 204`,
  },
  go: {
    label: "Go",
    install: "go get github.com/standard-webhooks/standard-webhooks/libraries",
    code: `import standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

func receive(w http.ResponseWriter, r *http.Request) {
	webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || webhook.Verify(body, r.Header) != nil {
		w.WriteHeader(400)
		return
	}
	w.WriteHeader(204)
}`,
  },
  java: {
    label: "Java",
    install: 'implementation("com.svix:svix:1.99.1")',
    code: `import com.svix.Webhook;
import com.svix.exceptions.WebhookVerificationException;
import java.net.http.HttpHeaders;

class Receiver {
  private final Webhook webhook = new Webhook(System.getenv("WEBHOOK_SECRET"));

  /** The status to answer with. */
  int receive(String body, HttpHeaders headers) {
    try {
      webhook.verify(body, headers);
    } catch (WebhookVerificationException e) {
      return 400;
    }
    return 204;
  }
}`,
  },
  csharp: {
    label: "C#",
    install: "dotnet add package Svix",
    code: `using System.Net;
using Svix;
using Svix.Exceptions;

var app = WebApplication.Create(args);
var webhook = new Webhook(Environment.GetEnvironmentVariable("WEBHOOK_SECRET")!);

app.MapPost("/webhooks", async (HttpRequest request) =>
{
    var body = await new StreamReader(request.Body).ReadToEndAsync();
    var headers = new WebHeaderCollection();
    foreach (var (name, value) in request.Headers) headers.Set(name, value.ToString());
    try
    {
        webhook.Verify(body, headers);
    }
    catch (WebhookVerificationException)
    {
        return Results.BadRequest();
    }
    return Results.NoContent();
});
app.Run();`,
  },
  ruby: {
    label: "Ruby",
    install: "gem install svix sinatra",
    code: `require "sinatra"
require "svix"

webhook = Svix::Webhook.new(ENV.fetch("WEBHOOK_SECRET"))
names = %w[webhook-id webhook-timestamp webhook-signature]

post "/webhooks" do
  headers = names.to_h { |name| [name, request.env["HTTP_#{name.upcase.tr("-", "_")}"]] }
  begin
    event = webhook.verify(request.body.read, headers)
  rescue Svix::WebhookVerificationError
    halt 400
  end
  status 204
end`,
  },
  php: {
    label: "PHP",
    install: "composer require svix/svix",
    code: `<?php
require "vendor/autoload.php";

use Svix\\Exception\\WebhookVerificationException;
use Svix\\Webhook;

$webhook = new Webhook(getenv("WEBHOOK_SECRET"));
$headers = array_change_key_case(getallheaders(), CASE_LOWER);

try {
    $event = $webhook->verify(file_get_contents("php://input"), $headers);
    http_response_code(204);
} catch (WebhookVerificationException $e) {
    http_response_code(400);
}`,
  },
  rust: {
    label: "Rust",
    install: "cargo add svix axum",
    code: `use axum::{body::Bytes, http::{HeaderMap, StatusCode}};
use svix::webhooks::Webhook;

async fn receive(headers: HeaderMap, body: Bytes) -> StatusCode {
    let secret = std::env::var("WEBHOOK_SECRET").expect("WEBHOOK_SECRET");
    let webhook = Webhook::new(&secret).expect("a secret");
    match webhook.verify(&body, &headers) {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}`,
  },
}
