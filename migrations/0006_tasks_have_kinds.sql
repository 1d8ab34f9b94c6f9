CREATE TABLE `tasks` (
	`id` text PRIMARY KEY NOT NULL,
	`application_id` text NOT NULL,
	`kind` text NOT NULL,
	`input` text NOT NULL,
	`status` text NOT NULL,
	`cursor` text,
	`processed` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`claims` integer DEFAULT 0 NOT NULL,
	`lease_token` text,
	`leased_until` integer
);
--> statement-breakpoint
CREATE INDEX `tasks_running` ON `tasks` (`id`) WHERE status = 'running';--> statement-breakpoint
CREATE INDEX `tasks_by_application` ON `tasks` (`application_id`,`id`);--> statement-breakpoint
INSERT INTO `tasks` (`id`, `application_id`, `kind`, `input`, `status`, `cursor`, `processed`, `created_at`, `updated_at`, `claims`, `lease_token`, `leased_until`)
SELECT `id`, `application_id`, 'recover', json_object('endpointId', `endpoint_id`, 'since', `since`, 'until', `until`), `status`, `cursor`, `processed`, `created_at`, `updated_at`, `claims`, `lease_token`, `leased_until` FROM `background_tasks`;--> statement-breakpoint
DROP TABLE `background_tasks`;