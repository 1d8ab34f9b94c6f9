CREATE TABLE `upload_registrations` (
	`endpoint_id` text PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`custom_payload` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `uploads` (
	`id` text PRIMARY KEY NOT NULL,
	`endpoint_id` text NOT NULL,
	`state` text NOT NULL,
	`failure` text,
	`file_name` text NOT NULL,
	`content_type` text NOT NULL,
	`size` integer,
	`sha256` text,
	`multipart_id` text,
	`event_id` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`claims` integer DEFAULT 0 NOT NULL,
	`lease_token` text,
	`leased_until` integer
);
--> statement-breakpoint
CREATE INDEX `uploads_unfinished` ON `uploads` (`id`) WHERE state in ('receiving', 'received', 'processing');