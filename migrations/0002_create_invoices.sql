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
