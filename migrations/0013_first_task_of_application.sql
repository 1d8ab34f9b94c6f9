DROP INDEX `tasks_running`;--> statement-breakpoint
CREATE INDEX `tasks_running` ON `tasks` (`application_id`,`id`) WHERE status = 'running';