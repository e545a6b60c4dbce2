-- What nobody may do, the owner of the tables included, short of removing these triggers.
-- Each function names its search path with pg_temp last: a temporary table cannot stand in for a real one.

CREATE FUNCTION janus_refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: what stands there is never changed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END;
$$;

CREATE TRIGGER audit_log_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION janus_refuse_change();
CREATE TRIGGER attestations_are_final BEFORE UPDATE OR DELETE OR TRUNCATE ON attestations
    FOR EACH STATEMENT EXECUTE FUNCTION janus_refuse_change();
INSERT INTO audit_head (id, seq, digest) VALUES (1, 0, repeat('0', 64));
CREATE TRIGGER audit_head_stays BEFORE INSERT OR DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION janus_refuse_change();
CREATE TRIGGER signed_sentences_stay BEFORE TRUNCATE ON sentences
    FOR EACH STATEMENT EXECUTE FUNCTION janus_refuse_change();
CREATE TRIGGER signed_reports_stay BEFORE TRUNCATE ON reports
    FOR EACH STATEMENT EXECUTE FUNCTION janus_refuse_change();

-- The log grows at its end only: an entry must follow the head, and moves it. Runs with the owner's rights,
-- because the application may lock the head but not write it.
CREATE FUNCTION janus_advance_head() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE audit_head SET seq = NEW.seq, digest = NEW.digest
        WHERE id = 1 AND seq = NEW.seq - 1 AND digest = NEW.previous;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'audit entry % does not follow the head of the log', NEW.seq
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END;
$$;
REVOKE ALL ON FUNCTION janus_advance_head() FROM PUBLIC;
CREATE TRIGGER audit_log_grows_at_its_end BEFORE INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION janus_advance_head();

CREATE FUNCTION janus_guard_head() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.seq <> OLD.seq + 1 THEN
        RAISE EXCEPTION 'the head of the audit log moves by one entry at a time'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER audit_head_moves_forward BEFORE UPDATE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION janus_guard_head();

-- The text of a signed report. The row of the report is locked first: a signature that is being made at the same
-- moment is waited for and then seen.
CREATE FUNCTION janus_guard_sentence() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    touched integer;
    found_state text;
BEGIN
    FOREACH touched IN ARRAY CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.report_id]
        WHEN 'DELETE' THEN ARRAY[OLD.report_id]
        ELSE ARRAY[OLD.report_id, NEW.report_id] END
    LOOP
        SELECT state INTO found_state FROM reports WHERE id = touched FOR NO KEY UPDATE;
        IF found_state IN ('SIGNED', 'ADDENDED', 'CORRECTED') THEN
            RAISE EXCEPTION 'the text of the signed report % is never changed', touched
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END;
$$;
CREATE TRIGGER signed_text_is_final BEFORE INSERT OR UPDATE OR DELETE ON sentences
    FOR EACH ROW EXECUTE FUNCTION janus_guard_sentence();

-- A signed report stays signed, and stays the report of its study, revision and draft.
CREATE FUNCTION janus_guard_report() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.state NOT IN ('SIGNED', 'ADDENDED', 'CORRECTED') THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE'
        AND NEW.state IN ('ADDENDED', 'CORRECTED')
        AND (NEW.id, NEW.study_uid, NEW.revision, NEW.draft_id, NEW.ai_model)
            IS NOT DISTINCT FROM (OLD.id, OLD.study_uid, OLD.revision, OLD.draft_id, OLD.ai_model)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the signed report % is never changed', OLD.id USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE TRIGGER signed_report_is_final BEFORE UPDATE OR DELETE ON reports
    FOR EACH ROW EXECUTE FUNCTION janus_guard_report();
