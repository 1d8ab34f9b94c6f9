CREATE TABLE `moves` (
	`application_id` text PRIMARY KEY NOT NULL,
	`from_shard` integer NOT NULL,
	`to_shard` integer NOT NULL,
	`step` text NOT NULL,
	`since` integer NOT NULL,
	`cursor` text
);
--> statement-breakpoint
ALTER TABLE `applications` ADD `moving_to` integer;