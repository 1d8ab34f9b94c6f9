//! A life with the Rust SDK. See ../README.md for what every life does.

use std::{
    collections::BTreeSet,
    env,
    future::Future,
    process::exit,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use svix::{
    Error, Webhook,
    api::{EndpointGetStatsOptions, MessageGetOptions, Svix, SvixOptions},
    models::{
        ApplicationIn, BackgroundTaskType, EndpointIn, EndpointPatch, EndpointSecretRotateIn, EndpointUpsertIn,
        EventTypeIn, EventTypeUpsertIn, MessageIn, MessageStatus, RecoverIn,
    },
};

type Failure = Box<dyn std::error::Error>;
type Step = Result<(), Failure>;

const HOOK: &str = "hook";

#[derive(Clone)]
struct Arrival {
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Keeps what arrives, and answers what it is told to.
struct Receiver {
    url: String,
    status: Arc<AtomicU16>,
    arrived: Arc<Mutex<Vec<Arrival>>>,
}

impl Receiver {
    fn start() -> Self {
        let server = tiny_http::Server::http("127.0.0.1:0").expect("a port to listen on");
        let url = format!("http://{}/hook", server.server_addr());
        let status = Arc::new(AtomicU16::new(200));
        let arrived = Arc::<Mutex<Vec<Arrival>>>::default();
        let receiver = Self { url, status: status.clone(), arrived: arrived.clone() };
        thread::spawn(move || {
            for mut request in server.incoming_requests() {
                let headers = headers_of(&request);
                let mut body = Vec::new();
                request.as_reader().read_to_end(&mut body).expect("a whole body");
                arrived.lock().unwrap().push(Arrival { headers, body });
                let _ = request.respond(tiny_http::Response::empty(status.load(Ordering::SeqCst)));
            }
        });
        receiver
    }

    fn of(&self, message: &str) -> Vec<Arrival> {
        let is_of = |arrival: &&Arrival| arrival.headers.get("webhook-id").is_some_and(|id| id == message);
        self.arrived.lock().unwrap().iter().filter(is_of).cloned().collect()
    }

    /// The nth arrival of a message.
    async fn nth(&self, message: &str, n: usize) -> Result<Arrival, Failure> {
        let mut found = until(async || Ok(self.of(message)), |found| found.len() >= n).await?;
        Ok(found.swap_remove(n - 1))
    }
}

fn headers_of(request: &tiny_http::Request) -> HeaderMap {
    let pair = |header: &tiny_http::Header| {
        let name = HeaderName::from_bytes(header.field.as_str().as_str().as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(header.value.as_str()).ok()?))
    };
    request.headers().iter().filter_map(pair).collect()
}

/// Asks until the answer fits.
async fn until<T>(
    ask: impl AsyncFn() -> Result<T, Failure>,
    fits: impl Fn(&T) -> bool,
) -> Result<T, Failure> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask().await?;
        if fits(&answer) {
            return Ok(answer);
        }
        check(Instant::now() < deadline, "not within 30 s")?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn check(holds: bool, otherwise: &str) -> Step {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

fn equal<T: PartialEq + std::fmt::Debug>(actual: T, expected: T) -> Step {
    check(actual == expected, &format!("{actual:?} is not {expected:?}"))
}

fn set(types: &str) -> Option<BTreeSet<String>> {
    Some(BTreeSet::from([types.to_owned()]))
}

struct Life {
    svix: Svix,
    receiver: Receiver,
    app: String,
    paid: String,
    shipped: String,
}

impl Life {
    fn begin() -> Result<Self, Failure> {
        let options = SvixOptions { server_url: Some(env::var("POSTHORN_URL")?), ..SvixOptions::default() };
        let app = env::var("POSTHORN_NAME")?;
        Ok(Self {
            svix: Svix::new(env::var("POSTHORN_TOKEN")?, Some(options)),
            receiver: Receiver::start(),
            paid: format!("{app}.order.paid"),
            shipped: format!("{app}.order.shipped"),
            app,
        })
    }

    fn app(&self) -> String {
        self.app.clone()
    }

    fn payload(&self) -> Value {
        json!({ "text": "Zoë 🦉", "amount": 12.5 })
    }

    async fn secret(&self) -> Result<String, Failure> {
        Ok(self.svix.endpoint().get_secret(self.app(), HOOK.into()).await?.key)
    }

    async fn verify(&self, delivery: &Arrival) -> Step {
        Ok(Webhook::new(&self.secret().await?)?.verify(&delivery.body, &delivery.headers)?)
    }

    async fn send(&self, message: MessageIn) -> Result<String, Failure> {
        Ok(self.svix.message().create(self.app(), message, None).await?.id)
    }

    async fn send_type(&self, event_type: &str) -> Result<String, Failure> {
        self.send(MessageIn::new(event_type.into(), self.payload())).await
    }

    async fn first(&self) -> Result<String, Failure> {
        Ok(self.svix.message().get(self.app(), "first".into(), None).await?.id)
    }

    async fn an_application(&self) -> Step {
        let named = |name: &str| ApplicationIn {
            uid: Some(self.app()),
            throttle_rate: Some(100),
            ..ApplicationIn::new(name.into())
        };
        let applications = self.svix.application();
        applications.create(named("Acme"), None).await?;
        applications.upsert(self.app(), named("Acme Inc.")).await?;
        equal(applications.get(self.app()).await?.name, "Acme Inc.".into())?;
        check(!applications.list(None).await?.data.is_empty(), "an empty list")
    }

    async fn event_types(&self) -> Step {
        let types = self.svix.event_type();
        for name in [&self.paid, &self.shipped] {
            types.create(EventTypeIn::new(name.clone(), "Of an order".into()), None).await?;
        }
        types.upsert(self.shipped.clone(), EventTypeUpsertIn::new("It is on its way".into())).await?;
        equal(types.get(self.shipped.clone()).await?.description, "It is on its way".into())
    }

    async fn an_endpoint_with_a_filter(&self) -> Step {
        let endpoints = self.svix.endpoint();
        let url = self.receiver.url.clone();
        let created = EndpointIn {
            uid: Some(HOOK.into()),
            event_types: set(&self.paid),
            throttle_rate: Some(50),
            ..EndpointIn::new(url.clone())
        };
        endpoints.create(self.app(), created, None).await?;
        let replaced = EndpointUpsertIn {
            uid: Some(HOOK.into()),
            event_types: set(&self.paid),
            throttle_rate: Some(60),
            ..EndpointUpsertIn::new(url)
        };
        endpoints.upsert(self.app(), HOOK.into(), replaced).await?;
        let patch = EndpointPatch { description: Some("Ours".into()), ..EndpointPatch::new() };
        endpoints.patch(self.app(), HOOK.into(), patch).await?;
        let endpoint = endpoints.get(self.app(), HOOK.into()).await?;
        equal(endpoint.description, "Ours".into())?;
        equal((endpoint.event_types, endpoint.throttle_rate), (set(&self.paid), Some(60)))
    }

    async fn a_delivery_verified(&self) -> Step {
        let message =
            MessageIn { event_id: Some("first".into()), ..MessageIn::new(self.paid.clone(), self.payload()) };
        let delivery = self.receiver.nth(&self.send(message).await?, 1).await?;
        self.verify(&delivery).await?;
        equal(serde_json::from_slice::<Value>(&delivery.body)?, self.payload())?;
        let changed = Arrival { body: [b" ", delivery.body.as_slice()].concat(), ..delivery };
        check(self.verify(&changed).await.is_err(), "a changed body verifies")?;
        let options = MessageGetOptions { with_content: Some(true) };
        let kept = self.svix.message().get(self.app(), "first".into(), Some(options)).await?;
        equal(kept.payload, self.payload())
    }

    async fn nothing_of_another_type(&self) -> Step {
        let id = self.send_type(&self.shipped).await?;
        let attempts = self.svix.message_attempt();
        equal(attempts.list_attempted_destinations(self.app(), id, None).await?.data.len(), 0)
    }

    async fn a_raw_body_byte_for_byte(&self) -> Step {
        let raw = r#"{ "n": 9007199254740993, "b": 1 }"#;
        let id = self.send(MessageIn::new_raw_payload(self.paid.clone(), raw.into())).await?;
        equal(self.receiver.nth(&id, 1).await?.body, raw.into())?;
        let content_type = "application/cloudevents+json";
        let typed = MessageIn::new_raw_payload(self.paid.clone(), "{ }".into());
        let id = self.send(typed.with_content_type(content_type.into())).await?;
        let delivery = self.receiver.nth(&id, 1).await?;
        self.verify(&delivery).await?;
        equal(&delivery.headers["content-type"], &HeaderValue::from_static(content_type))?;
        equal(delivery.body, b"{ }".into())
    }

    async fn attempts(&self) -> Step {
        let attempts = self.svix.message_attempt();
        let list = async || Ok(attempts.list_by_msg(self.app(), "first".into(), None).await?.data);
        let one = until(list, |data| data.len() == 1).await?.remove(0);
        equal((one.status, one.response_status_code), (MessageStatus::Success, 200))?;
        equal(one.url, self.receiver.url.clone())?;
        equal(attempts.get(self.app(), "first".into(), one.id.clone(), None).await?.id, one.id)?;
        let messages = attempts.list_attempted_messages(self.app(), HOOK.into(), None).await?;
        equal(messages.data.len(), 3)?;
        equal(attempts.list_by_endpoint(self.app(), HOOK.into(), None).await?.data.len(), 3)
    }

    async fn resend(&self) -> Step {
        let id = self.first().await?;
        self.svix.message_attempt().resend(self.app(), id.clone(), HOOK.into(), None).await?;
        self.verify(&self.receiver.nth(&id, 2).await?).await
    }

    async fn a_rotated_secret(&self) -> Step {
        let old = self.secret().await?;
        let rotation = EndpointSecretRotateIn::new();
        let answer = self.svix.endpoint().rotate_secret(self.app(), HOOK.into(), rotation, None).await?;
        equal(answer.key, self.secret().await?)?;
        check(self.secret().await? != old, "the secret is the old one")?;
        let delivery = self.receiver.nth(&self.send_type(&self.paid).await?, 1).await?;
        self.verify(&delivery).await?;
        Ok(Webhook::new(&old)?.verify(&delivery.body, &delivery.headers)?)
    }

    async fn recover(&self) -> Step {
        let endpoints = self.svix.endpoint();
        self.receiver.status.store(500, Ordering::SeqCst);
        let id = self.send_type(&self.paid).await?;
        let stats = async || Ok(endpoints.get_stats(self.app(), HOOK.into(), None).await?);
        until(stats, |stats| stats.fail == 1).await?;
        self.receiver.status.store(200, Ordering::SeqCst);
        let before = self.receiver.of(&id).len();
        let since = RecoverIn::new(Utc::now() - TimeDelta::hours(1));
        let task = endpoints.recover(self.app(), HOOK.into(), since, None).await?;
        equal(task.task, BackgroundTaskType::EndpointRecover)?;
        self.verify(&self.receiver.nth(&id, before + 1).await?).await
    }

    async fn stats(&self) -> Step {
        let since = Some(Utc::now() - TimeDelta::hours(1));
        let ask = async || {
            let options = EndpointGetStatsOptions { since, until: None };
            Ok(self.svix.endpoint().get_stats(self.app(), HOOK.into(), Some(options)).await?)
        };
        equal(until(ask, |stats| stats.success == 5).await?.fail, 0)
    }

    async fn refusals(&self) -> Step {
        match self.svix.endpoint().create(self.app(), EndpointIn::new("nonsense".into()), None).await {
            Err(Error::Validation(error)) => {
                let detail = error.payload.ok_or("a refusal that cannot be read")?.detail;
                equal(detail[0].loc.clone(), vec!["body".into(), "url".into()])?;
            }
            other => return Err(format!("not refused as it should be: {other:?}").into()),
        }
        self.is_gone("nobody".into()).await
    }

    async fn is_gone(&self, app: String) -> Step {
        match self.svix.application().get(app).await {
            Err(Error::Http(error)) => {
                equal(error.status.as_u16(), 404)?;
                equal(error.payload.ok_or("a refusal that cannot be read")?.code, "not_found".into())
            }
            other => Err(format!("not refused as it should be: {other:?}").into()),
        }
    }

    async fn the_end_of_it(&self) -> Step {
        self.svix.endpoint().delete(self.app(), HOOK.into()).await?;
        for name in [&self.paid, &self.shipped] {
            self.svix.event_type().delete(name.clone(), None).await?;
        }
        self.svix.application().delete(self.app()).await?;
        self.is_gone(self.app()).await
    }
}

/// Prints how a step went; what fails ends the life.
async fn step(number: &mut u8, title: &str, run: impl Future<Output = Step>) {
    *number += 1;
    if let Err(reason) = run.await {
        println!("not ok {number} - {title}\n{reason}");
        exit(1)
    }
    println!("ok {number} - {title}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Step {
    let life = Life::begin()?;
    let n = &mut 0;
    step(n, "an application", life.an_application()).await;
    step(n, "event types", life.event_types()).await;
    step(n, "an endpoint with a filter", life.an_endpoint_with_a_filter()).await;
    step(n, "a delivery, verified", life.a_delivery_verified()).await;
    step(n, "nothing of another type", life.nothing_of_another_type()).await;
    step(n, "a raw body, byte for byte", life.a_raw_body_byte_for_byte()).await;
    step(n, "attempts", life.attempts()).await;
    step(n, "resend", life.resend()).await;
    step(n, "a rotated secret", life.a_rotated_secret()).await;
    step(n, "recover", life.recover()).await;
    step(n, "stats", life.stats()).await;
    step(n, "refusals", life.refusals()).await;
    step(n, "the end of it", life.the_end_of_it()).await;
    Ok(())
}
