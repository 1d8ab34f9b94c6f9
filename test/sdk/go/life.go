// A life with the Go SDK. See ../README.md for what every life does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"sync"
	"time"

	svix "github.com/svix/svix-webhooks/go"
	"github.com/svix/svix-webhooks/go/models"
)

const hook = "hook"

var (
	ctx     = context.Background()
	app     = os.Getenv("POSTHORN_NAME")
	paid    = app + ".order.paid"
	shipped = app + ".order.shipped"
	payload = map[string]any{"text": "Zoë 🦉", "amount": 12.5}
	client  = newClient()
	inbox   = newReceiver()
)

func newClient() *svix.Svix {
	base := must(url.Parse(os.Getenv("POSTHORN_URL")))
	return must(svix.New(os.Getenv("POSTHORN_TOKEN"), &svix.SvixOptions{ServerUrl: base}))
}

type arrival struct {
	header http.Header
	body   []byte
}

// receiver keeps what arrives, and answers what it is told to.
type receiver struct {
	url     string
	mutex   sync.Mutex
	status  int
	arrived []arrival
}

func newReceiver() *receiver {
	r := &receiver{status: 200}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body := must(io.ReadAll(request.Body))
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.arrived = append(r.arrived, arrival{request.Header, body})
		w.WriteHeader(r.status)
	}))
	r.url = server.URL + "/hook"
	return r
}

func (r *receiver) answers(status int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.status = status
}

func (r *receiver) of(message string) (found []arrival) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, one := range r.arrived {
		if one.header.Get("webhook-id") == message {
			found = append(found, one)
		}
	}
	return found
}

// nth is the nth arrival of a message.
func (r *receiver) nth(message string, n int) arrival {
	until(func() bool { return len(r.of(message)) >= n })
	return r.of(message)[n-1]
}

func until(fits func() bool) {
	for deadline := time.Now().Add(30 * time.Second); !fits(); time.Sleep(50 * time.Millisecond) {
		check(time.Now().Before(deadline), "not within 30 s")
	}
}

func must[T any](value T, err error) T {
	succeed(err)
	return value
}

func succeed(err error) {
	if refused := (*svix.Error)(nil); errors.As(err, &refused) {
		panic(fmt.Sprintf("%v: %s", err, refused.Body()))
	}
	if err != nil {
		panic(err)
	}
}

func check(holds bool, format string, values ...any) {
	if !holds {
		panic(fmt.Sprintf(format, values...))
	}
}

func equal(actual, expected any) {
	check(reflect.DeepEqual(actual, expected), "%v is not %v", actual, expected)
}

func refusal(err error) *svix.Error {
	var refused *svix.Error
	check(errors.As(err, &refused), "not refused: %v", err)
	return refused
}

func pointer[T any](value T) *T { return &value }

func secret() string { return must(client.Endpoint.GetSecret(ctx, app, hook)).Key }

func verify(delivery arrival, key string) {
	succeed(must(svix.NewWebhook(key)).Verify(delivery.body, delivery.header))
}

func send(message models.MessageIn) string {
	return must(client.Message.Create(ctx, app, message, nil)).Id
}

func sendType(eventType string) string {
	return send(models.MessageIn{EventType: eventType, Payload: payload})
}

func anApplication() {
	in := models.ApplicationIn{Name: "Acme", Uid: &app, RateLimit: pointer(uint16(100))}
	must(client.Application.Create(ctx, in, nil))
	must(client.Application.Update(ctx, app, models.ApplicationIn{Name: "Acme Inc.", Uid: &app}))
	equal(must(client.Application.Get(ctx, app)).Name, "Acme Inc.")
	check(len(must(client.Application.List(ctx, nil)).Data) > 0, "an empty list")
}

func eventTypes() {
	for _, name := range []string{paid, shipped} {
		must(client.EventType.Create(ctx, models.EventTypeIn{Name: name, Description: "Of an order"}, nil))
	}
	must(client.EventType.Update(ctx, shipped, models.EventTypeUpdate{Description: "It is on its way"}))
	equal(must(client.EventType.Get(ctx, shipped)).Description, "It is on its way")
}

func anEndpointWithAFilter() {
	in := models.EndpointIn{Url: inbox.url, Uid: pointer(hook), FilterTypes: []string{paid}, RateLimit: pointer(uint16(50))}
	must(client.Endpoint.Create(ctx, app, in, nil))
	update := models.EndpointUpdate{Url: inbox.url, Uid: pointer(hook), FilterTypes: []string{paid}, RateLimit: pointer(uint16(60))}
	must(client.Endpoint.Update(ctx, app, hook, update))
	must(client.Endpoint.Patch(ctx, app, hook, models.EndpointPatch{Description: pointer("Ours")}))
	endpoint := must(client.Endpoint.Get(ctx, app, hook))
	equal([]any{endpoint.Description, endpoint.FilterTypes, endpoint.Version}, []any{"Ours", []string{paid}, int32(1)})
	check(endpoint.RateLimit != nil && *endpoint.RateLimit == 60, "another rate")
}

func aDeliveryVerified() {
	id := send(models.MessageIn{EventType: paid, EventId: pointer("first"), Payload: payload})
	delivery := inbox.nth(id, 1)
	verify(delivery, secret())
	var body map[string]any
	succeed(json.Unmarshal(delivery.body, &body))
	equal(body, payload)
	changed := append([]byte(" "), delivery.body...)
	check(must(svix.NewWebhook(secret())).Verify(changed, delivery.header) != nil, "a changed body verifies")
	options := &svix.MessageGetOptions{WithContent: pointer(true)}
	equal(must(client.Message.Get(ctx, app, "first", options)).Payload, payload)
}

func nothingOfAnotherType() {
	equal(len(must(client.MessageAttempt.ListAttemptedDestinations(ctx, app, sendType(shipped), nil)).Data), 0)
}

func aRawBodyByteForByte() {
	raw := `{ "n": 9007199254740993, "b": 1 }`
	equal(string(inbox.nth(send(*svix.NewMessageInRaw(paid, raw, nil)), 1).body), raw)
	contentType := "application/cloudevents+json"
	delivery := inbox.nth(send(*svix.NewMessageInRaw(paid, "{ }", &contentType)), 1)
	verify(delivery, secret())
	equal([]string{delivery.header.Get("content-type"), string(delivery.body)}, []string{contentType, "{ }"})
}

func attempts() {
	list := func() []models.MessageAttemptOut {
		return must(client.MessageAttempt.ListByMsg(ctx, app, "first", nil)).Data
	}
	until(func() bool { return len(list()) == 1 })
	one := list()[0]
	equal([]any{one.Status, one.ResponseStatusCode, one.Url}, []any{models.MESSAGESTATUS_SUCCESS, int16(200), inbox.url})
	equal(must(client.MessageAttempt.Get(ctx, app, "first", one.Id, nil)).Id, one.Id)
	equal(len(must(client.MessageAttempt.ListAttemptedMessages(ctx, app, hook, nil)).Data), 3)
	equal(len(must(client.MessageAttempt.ListByEndpoint(ctx, app, hook, nil)).Data), 3)
}

func resend() {
	id := must(client.Message.Get(ctx, app, "first", nil)).Id
	must(client.MessageAttempt.Resend(ctx, app, id, hook, nil))
	verify(inbox.nth(id, 2), secret())
}

func aRotatedSecret() {
	old := secret()
	succeed(client.Endpoint.RotateSecret(ctx, app, hook, models.EndpointSecretRotateIn{}, nil))
	check(secret() != old, "the secret is the old one")
	delivery := inbox.nth(sendType(paid), 1)
	verify(delivery, secret())
	verify(delivery, old)
}

func recoverEndpoint() {
	inbox.answers(500)
	id := sendType(paid)
	until(func() bool { return must(client.Endpoint.GetStats(ctx, app, hook, nil)).Fail == 1 })
	inbox.answers(200)
	before := len(inbox.of(id))
	since := models.RecoverIn{Since: time.Now().Add(-time.Hour)}
	task := must(client.Endpoint.Recover(ctx, app, hook, since, nil))
	equal(task.Task, models.BACKGROUNDTASKTYPE_ENDPOINT_RECOVER)
	verify(inbox.nth(id, before+1), secret())
}

func stats() {
	since := &svix.EndpointGetStatsOptions{Since: pointer(time.Now().Add(-time.Hour))}
	counts := func() *models.EndpointStats { return must(client.Endpoint.GetStats(ctx, app, hook, since)) }
	until(func() bool { return counts().Success == 5 })
	equal(counts().Fail, int64(0))
}

func refusals() {
	_, err := client.Endpoint.Create(ctx, app, models.EndpointIn{Url: "nonsense"}, nil)
	var invalid struct{ Detail []struct{ Loc []string } }
	succeed(json.Unmarshal(refusal(err).Body(), &invalid))
	equal([]any{refusal(err).Status(), invalid.Detail[0].Loc}, []any{422, []string{"body", "url"}})
	_, err = client.Application.Get(ctx, "nobody")
	equal(refusal(err).Status(), 404)
}

func theEndOfIt() {
	succeed(client.Endpoint.Delete(ctx, app, hook))
	for _, name := range []string{paid, shipped} {
		succeed(client.EventType.Delete(ctx, name, nil))
	}
	succeed(client.Application.Delete(ctx, app))
	_, err := client.Application.Get(ctx, app)
	equal(refusal(err).Status(), 404)
}

func main() {
	steps := []struct {
		title string
		run   func()
	}{
		{"an application", anApplication},
		{"event types", eventTypes},
		{"an endpoint with a filter", anEndpointWithAFilter},
		{"a delivery, verified", aDeliveryVerified},
		{"nothing of another type", nothingOfAnotherType},
		{"a raw body, byte for byte", aRawBodyByteForByte},
		{"attempts", attempts},
		{"resend", resend},
		{"a rotated secret", aRotatedSecret},
		{"recover", recoverEndpoint},
		{"stats", stats},
		{"refusals", refusals},
		{"the end of it", theEndOfIt},
	}
	for index, step := range steps {
		run(index+1, step.title, step.run)
	}
}

func run(number int, title string, step func()) {
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Printf("not ok %d - %s\n%v\n", number, title, reason)
			os.Exit(1)
		}
	}()
	step()
	fmt.Printf("ok %d - %s\n", number, title)
}
