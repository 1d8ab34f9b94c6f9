ALTER TABLE `revoked_tokens` ADD `issued_until` integer;--> statement-breakpoint
ALTER TABLE `revoked_tokens` ADD `ends_at` integer;--> statement-breakpoint
ALTER TABLE `revoked_tokens` ADD `ended_until` integer;