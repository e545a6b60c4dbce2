-- What the processes count and report may be changed; what was decided about an instance is kept.

GRANT SELECT, INSERT, UPDATE ON counters, sources, quarantine_decisions, purged_instances TO janus_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON heartbeats, holds TO janus_app;
GRANT SELECT, INSERT ON alert_acknowledgements TO janus_app;

-- The application may not delete studies. A study of the self-test is none: it came under the calling AE title that
-- is reserved for it, nobody signed it, and it names no patient. That alone may go.
CREATE FUNCTION janus_forget_self_test(wanted text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM studies
        JOIN patients ON patients.id = studies.patient_row_id
        WHERE studies.study_uid = wanted AND studies.calling_ae = 'JANUSMED_TEST'
            AND patients.patient_id = 'JANUSMED-SELFTEST'
            AND NOT EXISTS (SELECT 1 FROM reports JOIN attestations ON attestations.report_id = reports.id
                             WHERE reports.study_uid = wanted)
            AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.study_uid = wanted)
        FOR UPDATE OF studies;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM report_locks WHERE report_id IN (SELECT id FROM reports WHERE study_uid = wanted);
    DELETE FROM sentences WHERE report_id IN (SELECT id FROM reports WHERE study_uid = wanted);
    DELETE FROM reports WHERE study_uid = wanted;
    DELETE FROM drafts WHERE study_uid = wanted;
    DELETE FROM purged_instances WHERE study_uid = wanted;
    DELETE FROM instances WHERE study_uid = wanted;
    DELETE FROM studies WHERE study_uid = wanted;
    RETURN true;
END;
$$;
REVOKE ALL ON FUNCTION janus_forget_self_test(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION janus_forget_self_test(text) TO janus_app;

-- Jobs that ended long ago: none that waits or runs, and none whose dead letter nobody has answered.
CREATE FUNCTION janus_forget_jobs(ended_before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone integer;
BEGIN
    DELETE FROM procrastinate_jobs AS job
        WHERE job.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
            AND NOT EXISTS (SELECT 1 FROM procrastinate_events AS event
                             WHERE event.job_id = job.id AND event.at >= ended_before)
            AND NOT EXISTS (SELECT 1 FROM dead_letters AS letter
                             WHERE letter.job_id = job.id
                               AND (letter.retried_at IS NULL OR letter.died_at >= ended_before));
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END;
$$;
REVOKE ALL ON FUNCTION janus_forget_jobs(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION janus_forget_jobs(timestamptz) TO janus_app;
