CREATE TABLE `applications` (
	`id` text PRIMARY KEY NOT NULL,
	`uid` text,
	`name` text NOT NULL,
	`throttle_rate` integer,
	`metadata` text DEFAULT '{}' NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`removed_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `applications_by_uid` ON `applications` (`uid`);--> statement-breakpoint
CREATE TABLE `attempts` (
	`event_id` text NOT NULL,
	`id` text NOT NULL,
	`endpoint_id` text NOT NULL,
	`application_id` text NOT NULL,
	`trigger` text NOT NULL,
	`created_at` integer NOT NULL,
	`url` text NOT NULL,
	`status_code` integer,
	`status_text` text,
	`error` text,
	`duration_ms` integer NOT NULL,
	`body_encoding` text NOT NULL,
	`body_truncated` integer NOT NULL,
	`body` text,
	PRIMARY KEY(`event_id`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `attempts_by_endpoint` ON `attempts` (`endpoint_id`,`id`);--> statement-breakpoint
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
CREATE TABLE `deliveries` (
	`event_id` text NOT NULL,
	`endpoint_id` text NOT NULL,
	`application_id` text NOT NULL,
	`status` text NOT NULL,
	`reason` text,
	`attempts` integer DEFAULT 0 NOT NULL,
	`next_attempt_at` integer,
	`claims` integer DEFAULT 0 NOT NULL,
	`lease_token` text,
	`created_at` integer NOT NULL,
	`ended_at` integer,
	`resend_requested_at` integer,
	`resend_leased_until` integer,
	`attempt_id` text NOT NULL,
	`attempted_at` integer,
	`url` text,
	`status_code` integer,
	`status_text` text,
	`error` text,
	`duration_ms` integer,
	`body_encoding` text,
	`body_truncated` integer,
	`body` text,
	PRIMARY KEY(`event_id`, `endpoint_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `deliveries_to_resend` ON `deliveries` (`resend_requested_at`) WHERE resend_requested_at is not null;--> statement-breakpoint
CREATE INDEX `deliveries_by_endpoint` ON `deliveries` (`endpoint_id`,`attempt_id`);--> statement-breakpoint
CREATE INDEX `deliveries_pending` ON `deliveries` (`endpoint_id`,`next_attempt_at`) WHERE status = 'pending';--> statement-breakpoint
CREATE TABLE `endpoints` (
	`id` text PRIMARY KEY NOT NULL,
	`application_id` text NOT NULL,
	`uid` text,
	`url` text NOT NULL,
	`url_key` text,
	`description` text DEFAULT '' NOT NULL,
	`channels` text,
	`metadata` text DEFAULT '{}' NOT NULL,
	`headers` text,
	`throttle_rate` integer,
	`version` integer DEFAULT 1 NOT NULL,
	`all_event_types_since` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`enabled_at` integer NOT NULL,
	`disabled_at` integer,
	`disabled_reason` text,
	`removed_at` integer,
	`failing_since` integer,
	`slow` integer DEFAULT false NOT NULL,
	`paused_until` integer,
	`gone_at` integer,
	`due_at` integer,
	`claims` integer DEFAULT 0 NOT NULL,
	`lease_token` text,
	`leased_until` integer,
	FOREIGN KEY (`application_id`) REFERENCES `applications`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `endpoints_by_uid` ON `endpoints` (`application_id`,`uid`);--> statement-breakpoint
CREATE UNIQUE INDEX `endpoints_by_url` ON `endpoints` (`application_id`,`url_key`);--> statement-breakpoint
CREATE INDEX `endpoints_by_application` ON `endpoints` (`application_id`,`id`);--> statement-breakpoint
CREATE INDEX `endpoints_due` ON `endpoints` (`due_at`) WHERE due_at is not null;--> statement-breakpoint
CREATE INDEX `endpoints_removed` ON `endpoints` (`removed_at`) WHERE removed_at is not null;--> statement-breakpoint
CREATE INDEX `endpoints_taking_all` ON `endpoints` (`application_id`,`id`) WHERE all_event_types_since is not null;--> statement-breakpoint
CREATE TABLE `event_types` (
	`id` text NOT NULL,
	`application_id` text NOT NULL,
	`name` text NOT NULL,
	`label` text,
	`description` text DEFAULT '' NOT NULL,
	`schemas` text,
	`enforce_schema` integer DEFAULT false NOT NULL,
	`feature_flag` text,
	`archived` integer DEFAULT false NOT NULL,
	`deprecated` integer DEFAULT false NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`application_id`, `name`),
	FOREIGN KEY (`application_id`) REFERENCES `applications`(`id`) ON UPDATE no action ON DELETE no action
) WITHOUT ROWID;
--> statement-breakpoint
CREATE UNIQUE INDEX `event_types_by_id` ON `event_types` (`id`);--> statement-breakpoint
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`application_id` text NOT NULL,
	`event_type_id` text NOT NULL,
	`event_type` text NOT NULL,
	`uid` text,
	`endpoint_id` text,
	`ping_id` text,
	`channels` text,
	`created_at` integer NOT NULL,
	`dispatched_at` integer,
	`failure` text,
	`claims` integer DEFAULT 0 NOT NULL,
	`lease_token` text,
	`leased_until` integer,
	`fanout_cursor` text,
	`payload_expires_at` integer,
	`payload` text,
	`content_type` text,
	FOREIGN KEY (`application_id`) REFERENCES `applications`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `events_by_application` ON `events` (`application_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `events_by_uid` ON `events` (`application_id`,`uid`) WHERE uid is not null;--> statement-breakpoint
CREATE INDEX `events_undispatched` ON `events` (`id`) WHERE dispatched_at is null;--> statement-breakpoint
CREATE INDEX `events_by_ping` ON `events` (`ping_id`) WHERE ping_id is not null;--> statement-breakpoint
CREATE INDEX `events_by_payload_expiry` ON `events` (`payload_expires_at`) WHERE payload_expires_at is not null;--> statement-breakpoint
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
CREATE TABLE `invoices` (
	`id` text PRIMARY KEY NOT NULL,
	`amount` integer NOT NULL,
	`currency` text NOT NULL,
	`due_date` integer,
	`status` text NOT NULL,
	`amount_received` integer,
	`currency_received` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`paid_at` integer,
	`last_event` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `messages` (
	`id` text PRIMARY KEY NOT NULL,
	`sender` text NOT NULL,
	`recipient` text NOT NULL,
	`subject` text NOT NULL,
	`message` text NOT NULL,
	`received_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `messages_by_recipient` ON `messages` (`recipient`,`id`);--> statement-breakpoint
CREATE TABLE `revoked_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `secrets` (
	`id` text NOT NULL,
	`endpoint_id` text NOT NULL,
	`sealed` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	PRIMARY KEY(`endpoint_id`, `id`),
	FOREIGN KEY (`endpoint_id`) REFERENCES `endpoints`(`id`) ON UPDATE no action ON DELETE no action
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `subscriptions` (
	`id` text NOT NULL,
	`event_type_id` text NOT NULL,
	`application_id` text NOT NULL,
	`endpoint_id` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`event_type_id`, `application_id`, `endpoint_id`),
	FOREIGN KEY (`event_type_id`) REFERENCES `event_types`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`endpoint_id`) REFERENCES `endpoints`(`id`) ON UPDATE no action ON DELETE no action
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `subscriptions_by_endpoint` ON `subscriptions` (`endpoint_id`);--> statement-breakpoint
CREATE TABLE `system_state` (
	`key` text PRIMARY KEY NOT NULL,
	`last_sweep_at` integer DEFAULT 0 NOT NULL,
	`database_bytes` integer DEFAULT 0 NOT NULL,
	`retention_cursor` integer DEFAULT 0 NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
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
CREATE INDEX `uploads_unfinished` ON `uploads` (`id`) WHERE state in ('receiving', 'received', 'processing');--> statement-breakpoint
CREATE TABLE `users` (
	`id` text PRIMARY KEY NOT NULL,
	`username` text NOT NULL,
	`registered_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_by_username` ON `users` (`username`);