-- Application A: the user notification service and its two event types.
INSERT INTO applications (id, uid, name, created_at, updated_at)
VALUES ('app_users', 'users', 'User notification service', 0, 0);
--> statement-breakpoint
INSERT INTO event_types (id, application_id, name, description, created_at, updated_at)
VALUES
  ('ety_user_registered', 'app_users', 'user_registered', 'Triggered when a new user is registered', 0, 0),
  ('ety_user_send_message', 'app_users', 'user_send_message', 'Triggered when a user sends a message to another user', 1, 1);
--> statement-breakpoint
-- Application B: the invoice webhook system and its three event types; registering makes more.
INSERT INTO applications (id, uid, name, created_at, updated_at)
VALUES ('app_invoices', 'invoices', 'Invoice webhooks', 0, 0);
--> statement-breakpoint
INSERT INTO event_types (id, application_id, name, description, created_at, updated_at)
VALUES
  ('ety_invoice_created', 'app_invoices', 'invoice_created', 'Triggered when an invoice is created', 0, 0),
  ('ety_invoice_updated', 'app_invoices', 'invoice_updated', 'Triggered when an invoice is changed', 1, 1),
  ('ety_invoice_paid', 'app_invoices', 'invoice_paid', 'Triggered when an invoice is paid', 2, 2);
--> statement-breakpoint
-- Application C: file uploads. The event type has the id of the documented commands.
INSERT INTO applications (id, uid, name, created_at, updated_at)
VALUES ('app_uploads', 'uploads', 'File uploads', 0, 0);
--> statement-breakpoint
INSERT INTO event_types (id, application_id, name, label, description, created_at, updated_at)
VALUES ('21f8e1f7-4142-42f9-ac30-74961702b2eb', 'app_uploads', 'upload_file', 'upload file', 'Event type for file upload operations', 0, 0);
--> statement-breakpoint
-- The catalog owns the event types that every application made through the management API shares.
INSERT INTO applications (id, name, created_at, updated_at)
VALUES ('app_catalog', 'Event catalog', 0, 0);
--> statement-breakpoint
-- What happens to endpoints and messages is itself told as messages of this application.
INSERT INTO applications (id, uid, name, created_at, updated_at)
VALUES ('app_operations', 'operations', 'Operational events', 0, 0);
--> statement-breakpoint
INSERT INTO event_types (id, application_id, name, description, created_at, updated_at)
VALUES
  ('ety_endpoint_created', 'app_operations', 'endpoint.created', 'Sent when an endpoint is created', 0, 0),
  ('ety_endpoint_updated', 'app_operations', 'endpoint.updated', 'Sent when an endpoint is updated', 1, 1),
  ('ety_endpoint_deleted', 'app_operations', 'endpoint.deleted', 'Sent when an endpoint is deleted', 2, 2),
  ('ety_endpoint_disabled', 'app_operations', 'endpoint.disabled', 'Sent when an endpoint is disabled because it kept failing or is gone', 3, 3),
  ('ety_attempt_exhausted', 'app_operations', 'message.attempt.exhausted', 'Sent when a message has failed for good', 4, 4),
  ('ety_attempt_failing', 'app_operations', 'message.attempt.failing', 'Sent when a message has failed several times and is still retried', 5, 5),
  ('ety_attempt_recovered', 'app_operations', 'message.attempt.recovered', 'Sent when a message that was failing is delivered', 6, 6);
