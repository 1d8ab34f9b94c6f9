ALTER TABLE `system_state` ADD `drain_called_at` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `system_state` ADD `last_turn` text DEFAULT '' NOT NULL;