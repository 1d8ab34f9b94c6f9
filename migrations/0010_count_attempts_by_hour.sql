CREATE TABLE `endpoint_hours` (
	`endpoint_id` text NOT NULL,
	`hour` integer NOT NULL,
	`counted_to` text NOT NULL,
	`tally` text NOT NULL,
	PRIMARY KEY(`endpoint_id`, `hour`)
) WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `system_state` ADD `counted_to` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `system_state` ADD `counting_to` text;--> statement-breakpoint
ALTER TABLE `system_state` ADD `counting_at` text;