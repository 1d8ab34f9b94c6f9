DROP INDEX `endpoints_due`;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `throttled_until` integer;--> statement-breakpoint
CREATE INDEX `endpoints_leased` ON `endpoints` (`leased_until`) WHERE leased_until is not null;--> statement-breakpoint
CREATE INDEX `endpoints_due` ON `endpoints` (`application_id`,`due_at`) WHERE due_at is not null;--> statement-breakpoint
ALTER TABLE `applications` ADD `throttled_until` integer;