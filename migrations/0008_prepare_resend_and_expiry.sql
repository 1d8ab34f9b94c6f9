ALTER TABLE `deliveries` ADD `resend_leased_until` integer;--> statement-breakpoint
CREATE INDEX `events_by_payload_expiry` ON `events` (`payload_expires_at`) WHERE payload_expires_at is not null;