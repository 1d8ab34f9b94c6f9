"""A life with the PyPI SDK, of version 1 as of version 2. See ../README.md for what every life does."""

import json
import os
import threading
import time
import traceback
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import svix
from svix.api import Svix, SvixOptions
from svix.api.endpoint import EndpointGetStatsOptions
from svix.api.message import MessageGetOptions, message_in_raw
from svix.exceptions import HttpError, HTTPValidationError
from svix import models
from svix.webhooks import Webhook, WebhookVerificationError

APP = os.environ["POSTHORN_NAME"]
PAID, SHIPPED = f"{APP}.order.paid", f"{APP}.order.shipped"
HOOK = "hook"
PAYLOAD = {"text": "Zoë 🦉", "amount": 12.5}

client = Svix(os.environ["POSTHORN_TOKEN"], SvixOptions(server_url=os.environ["POSTHORN_URL"]))

# Version 1 says filter_types, rate_limit and update where version 2 says event_types, throttle_rate and upsert.
IS_VERSION_1 = svix.__version__.startswith("1.")
TYPES, RATE = ("filter_types", "rate_limit") if IS_VERSION_1 else ("event_types", "throttle_rate")
EndpointUpdate = models.EndpointUpdate if IS_VERSION_1 else models.EndpointUpsertIn
EventTypeUpdate = models.EventTypeUpdate if IS_VERSION_1 else models.EventTypeUpsertIn


def upsert(resource):
    return resource.update if IS_VERSION_1 else resource.upsert


class Receiver(BaseHTTPRequestHandler):
    """Keeps what arrives, and answers what it is told to."""

    arrived: list[tuple[dict[str, str], bytes]] = []
    status = 200

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Receiver.arrived.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(Receiver.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{receiver.server_address[1]}/hook"


def until(ask, fits):
    """Asks until the answer fits."""
    deadline = time.monotonic() + 30
    while True:
        answer = ask()
        if fits(answer):
            return answer
        assert time.monotonic() < deadline, f"not within 30 s: {answer}"
        time.sleep(0.05)


def of(message_id):
    return [arrival for arrival in Receiver.arrived if arrival[0].get("webhook-id") == message_id]


def arrival(message_id, n=1):
    """The nth arrival of a message."""
    return until(lambda: of(message_id), lambda found: len(found) >= n)[n - 1]


def secret():
    return client.endpoint.get_secret(APP, HOOK).key


def verify(delivery, key=None):
    headers, body = delivery
    Webhook(key or secret()).verify(body, headers)


def send(event_type, **more):
    return client.message.create(APP, models.MessageIn(event_type=event_type, payload=PAYLOAD, **more))


def an_application():
    client.application.create(models.ApplicationIn(name="Acme", uid=APP, **{RATE: 100}))
    upsert(client.application)(APP, models.ApplicationIn(name="Acme Inc.", uid=APP))
    assert client.application.get(APP).name == "Acme Inc."
    assert client.application.list().data


def event_types():
    for name in (PAID, SHIPPED):
        client.event_type.create(models.EventTypeIn(name=name, description="Of an order"))
    upsert(client.event_type)(SHIPPED, EventTypeUpdate(description="It is on its way"))
    assert client.event_type.get(SHIPPED).description == "It is on its way"


def an_endpoint_with_a_filter():
    client.endpoint.create(APP, models.EndpointIn(url=URL, uid=HOOK, **{TYPES: [PAID], RATE: 50}))
    upsert(client.endpoint)(APP, HOOK, EndpointUpdate(url=URL, uid=HOOK, **{TYPES: [PAID], RATE: 60}))
    client.endpoint.patch(APP, HOOK, models.EndpointPatch(description="Ours"))
    endpoint = client.endpoint.get(APP, HOOK)
    assert (endpoint.description, endpoint.uid) == ("Ours", HOOK)
    assert (getattr(endpoint, TYPES), getattr(endpoint, RATE)) == ([PAID], 60)
    assert not IS_VERSION_1 or endpoint.version == 1


def a_delivery_verified():
    delivery = arrival(send(PAID, event_id="first").id)
    verify(delivery)
    headers, body = delivery
    assert json.loads(body) == PAYLOAD
    try:
        verify((headers, body + b" "))
        raise AssertionError("a changed body verifies")
    except WebhookVerificationError:
        pass
    assert client.message.get(APP, "first", MessageGetOptions(with_content=True)).payload == PAYLOAD


def nothing_of_another_type():
    assert client.message_attempt.list_attempted_destinations(APP, send(SHIPPED).id).data == []


def a_raw_body_byte_for_byte():
    raw = '{ "n": 9007199254740993, "b": 1 }'
    message = client.message.create(APP, message_in_raw(PAID, raw))
    assert arrival(message.id)[1] == raw.encode()
    content_type = "application/cloudevents+json"
    message = client.message.create(APP, message_in_raw(PAID, "{ }", content_type))
    delivery = arrival(message.id)
    verify(delivery)
    assert (delivery[0]["content-type"], delivery[1]) == (content_type, b"{ }")


def attempts():
    data = until(lambda: client.message_attempt.list_by_msg(APP, "first").data, lambda data: len(data) == 1)
    assert (data[0].status, data[0].response_status_code, data[0].url) == (0, 200, URL)
    assert client.message_attempt.get(APP, "first", data[0].id).id == data[0].id
    assert len(client.message_attempt.list_attempted_messages(APP, HOOK).data) == 3
    assert len(client.message_attempt.list_by_endpoint(APP, HOOK).data) == 3


def resend():
    message_id = client.message.get(APP, "first").id
    client.message_attempt.resend(APP, message_id, HOOK)
    verify(arrival(message_id, 2))


def a_rotated_secret():
    old = secret()
    client.endpoint.rotate_secret(APP, HOOK, models.EndpointSecretRotateIn())
    assert secret() != old
    delivery = arrival(send(PAID).id)
    verify(delivery)
    verify(delivery, old)


def recover():
    Receiver.status = 500
    message_id = send(PAID).id
    until(lambda: client.endpoint.get_stats(APP, HOOK), lambda stats: stats.fail == 1)
    Receiver.status = 200
    before = len(of(message_id))
    since = datetime.now(timezone.utc) - timedelta(hours=1)
    task = client.endpoint.recover(APP, HOOK, models.RecoverIn(since=since))
    assert task.task == "endpoint.recover"
    verify(arrival(message_id, before + 1))


def stats():
    since = datetime.now(timezone.utc) - timedelta(hours=1)
    stats = until(
        lambda: client.endpoint.get_stats(APP, HOOK, EndpointGetStatsOptions(since=since)),
        lambda stats: stats.success == 5,
    )
    assert stats.fail == 0, stats
    # Version 1 has no method for it.
    if hasattr(client.endpoint, "get_attempt_stats"):
        made = client.endpoint.get_attempt_stats(APP, HOOK)
        assert made.success >= 5 and made.fail >= 1 and made.canceled == 0, made


def refusals():
    try:
        client.endpoint.create(APP, models.EndpointIn(url="nonsense"))
        raise AssertionError("not refused")
    except HTTPValidationError as error:
        assert (error.status_code, error.detail[0].loc) == (422, ["body", "url"])
    try:
        client.application.get("nobody")
        raise AssertionError("not refused")
    except HttpError as error:
        assert (error.status_code, error.code) == (404, "not_found")


def the_end_of_it():
    client.endpoint.delete(APP, HOOK)
    for name in (PAID, SHIPPED):
        client.event_type.delete(name)
    client.application.delete(APP)
    try:
        client.application.get(APP)
        raise AssertionError("still there")
    except HttpError as error:
        assert error.status_code == 404


STEPS = {
    "an application": an_application,
    "event types": event_types,
    "an endpoint with a filter": an_endpoint_with_a_filter,
    "a delivery, verified": a_delivery_verified,
    "nothing of another type": nothing_of_another_type,
    "a raw body, byte for byte": a_raw_body_byte_for_byte,
    "attempts": attempts,
    "resend": resend,
    "a rotated secret": a_rotated_secret,
    "recover": recover,
    "stats": stats,
    "refusals": refusals,
    "the end of it": the_end_of_it,
}

for number, (title, run) in enumerate(STEPS.items(), 1):
    try:
        run()
        print(f"ok {number} - {title}", flush=True)
    except Exception:
        print(f"not ok {number} - {title}\n{traceback.format_exc()}", flush=True)
        raise SystemExit(1)
