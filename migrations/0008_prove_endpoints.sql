ALTER TABLE `endpoints` ADD `proven_at` integer;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `slow_ms` integer;--> statement-breakpoint
ALTER TABLE `endpoints` DROP COLUMN `slow`;