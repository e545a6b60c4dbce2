-- Addenda and corrections are written once, with their signature, under the next number of their report.

CREATE TRIGGER amendments_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON amendments
    FOR EACH STATEMENT EXECUTE FUNCTION janus_refuse_change();

-- The row of the report is locked first: a withdrawal or another amendment that is being made at the same moment is
-- waited for and then seen.
CREATE FUNCTION janus_guard_amendment() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    found_state text;
    last_number integer;
BEGIN
    SELECT state INTO found_state FROM reports WHERE id = NEW.report_id FOR NO KEY UPDATE;
    IF found_state NOT IN ('SIGNED', 'ADDENDED', 'CORRECTED') THEN
        RAISE EXCEPTION 'report % is not final: nothing can be added to it', NEW.report_id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT coalesce(max(number), 0) INTO last_number FROM amendments WHERE report_id = NEW.report_id;
    IF NEW.number IS DISTINCT FROM last_number + 1
        OR NOT EXISTS (SELECT FROM attestations WHERE id = NEW.attestation_id AND report_id = NEW.report_id)
    THEN
        RAISE EXCEPTION 'amendment % of report % does not follow the last one with a signature of its own',
            NEW.number, NEW.report_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER amendments_follow_each_other BEFORE INSERT ON amendments
    FOR EACH ROW EXECUTE FUNCTION janus_guard_amendment();

GRANT SELECT, INSERT ON amendments TO janus_app;
GRANT USAGE ON SEQUENCE amendments_id_seq TO janus_app;
