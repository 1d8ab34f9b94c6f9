CREATE TABLE `inbox_requests` (
	`id` text PRIMARY KEY NOT NULL,
	`inbox_id` text NOT NULL,
	`method` text NOT NULL,
	`query` text NOT NULL,
	`headers` text NOT NULL,
	`answered` integer,
	`received_at` integer NOT NULL,
	`body_encoding` text NOT NULL,
	`body_truncated` integer NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `inbox_requests_by_inbox` ON `inbox_requests` (`inbox_id`,`id`);--> statement-breakpoint
CREATE TABLE `inboxes` (
	`id` text PRIMARY KEY NOT NULL,
	`origin` text NOT NULL,
	`secret` text,
	`status` integer NOT NULL,
	`retry_after_seconds` integer,
	`delay_ms` integer NOT NULL,
	`hangs` integer NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `inboxes_by_expiry` ON `inboxes` (`expires_at`);