CREATE TABLE `background_tasks` (
	`id` text PRIMARY KEY NOT NULL,
	`application_id` text NOT NULL,
	`endpoint_id` text NOT NULL,
	`task` text NOT NULL,
	`status` text NOT NULL,
	`since` integer NOT NULL,
	`until` integer NOT NULL,
	`cursor` text,
	`processed` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`claims` integer DEFAULT 0 NOT NULL,
	`lease_token` text,
	`leased_until` integer
);
--> statement-breakpoint
CREATE INDEX `background_tasks_running` ON `background_tasks` (`id`) WHERE status = 'running';--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`scope` text NOT NULL,
	`key` text NOT NULL,
	`request_hash` text NOT NULL,
	`status` integer NOT NULL,
	`sealed` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`scope`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_by_age` ON `idempotency_keys` (`created_at`);--> statement-breakpoint
CREATE TABLE `revoked_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `applications` ADD `removed_at` integer;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `resend_requested_at` integer;--> statement-breakpoint
CREATE INDEX `deliveries_to_resend` ON `deliveries` (`resend_requested_at`) WHERE resend_requested_at is not null;--> statement-breakpoint
ALTER TABLE `event_types` ADD `enforce_schema` integer DEFAULT false NOT NULL;