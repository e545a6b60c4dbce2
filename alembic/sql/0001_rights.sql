-- The application's role: made here on a server given by URL (the embedded server has it, with a login of its own).
-- It may read everything, and write what its work needs; on records and signatures it may only add.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'janus_app') THEN
        CREATE ROLE janus_app NOLOGIN;
    END IF;
    IF NOT pg_has_role(current_user, 'janus_app', 'MEMBER') THEN
        GRANT janus_app TO CURRENT_USER;
    END IF;
END;
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO janus_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO janus_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO janus_app;

GRANT INSERT, UPDATE ON users, sessions, patients, studies, instances, drafts, reports, deliveries, dead_letters
    TO janus_app;
GRANT INSERT, UPDATE, DELETE ON sentences, report_locks TO janus_app;
GRANT INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_workers, procrastinate_periodic_defers,
    procrastinate_events TO janus_app;

GRANT INSERT ON audit_log, attestations, quarantine, key_checks TO janus_app;
-- enough to lock the head (SELECT ... FOR UPDATE), not to move it
GRANT UPDATE (id) ON audit_head TO janus_app;
