-- Application C: file uploads. The event type has the id of the documented commands.
INSERT INTO applications (id, uid, name, created_at, updated_at)
VALUES ('app_uploads', 'uploads', 'File uploads', 0, 0);
--> statement-breakpoint
INSERT INTO event_types (id, application_id, name, label, description, created_at, updated_at)
VALUES ('21f8e1f7-4142-42f9-ac30-74961702b2eb', 'app_uploads', 'upload_file', 'upload file', 'Event type for file upload operations', 0, 0);
