-- Application A: the user notification service and its two event types.
INSERT INTO applications (id, uid, name, created_at, updated_at)
VALUES ('app_users', 'users', 'User notification service', 0, 0);
--> statement-breakpoint
INSERT INTO event_types (id, application_id, name, description, created_at, updated_at)
VALUES
  ('ety_user_registered', 'app_users', 'user_registered', 'Triggered when a new user is registered', 0, 0),
  ('ety_user_send_message', 'app_users', 'user_send_message', 'Triggered when a user sends a message to another user', 1, 1);
