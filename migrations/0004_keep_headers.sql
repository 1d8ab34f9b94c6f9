ALTER TABLE `attempts` ADD `headers` text;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `headers` text;