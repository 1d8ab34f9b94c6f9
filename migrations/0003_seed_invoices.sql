-- Application B: the invoice webhook system and its three event types; registering makes more.
INSERT INTO applications (id, uid, name, created_at, updated_at)
VALUES ('app_invoices', 'invoices', 'Invoice webhooks', 0, 0);
--> statement-breakpoint
INSERT INTO event_types (id, application_id, name, description, created_at, updated_at)
VALUES
  ('ety_invoice_created', 'app_invoices', 'invoice_created', 'Triggered when an invoice is created', 0, 0),
  ('ety_invoice_updated', 'app_invoices', 'invoice_updated', 'Triggered when an invoice is changed', 1, 1),
  ('ety_invoice_paid', 'app_invoices', 'invoice_paid', 'Triggered when an invoice is paid', 2, 2);
