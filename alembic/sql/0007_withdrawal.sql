-- A withdrawn report keeps its text, and is where the life of a signed report ends.

CREATE OR REPLACE FUNCTION janus_guard_sentence() RETURNS trigger LANGUAGE plpgsql
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
        IF found_state IN ('SIGNED', 'ADDENDED', 'CORRECTED', 'WITHDRAWN') THEN
            RAISE EXCEPTION 'the text of the signed report % is never changed', touched
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END;
$$;

CREATE OR REPLACE FUNCTION janus_guard_report() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.state NOT IN ('SIGNED', 'ADDENDED', 'CORRECTED', 'WITHDRAWN') THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE'
        AND OLD.state <> 'WITHDRAWN'
        AND NEW.state IN ('ADDENDED', 'CORRECTED', 'WITHDRAWN')
        AND (NEW.id, NEW.study_uid, NEW.revision, NEW.draft_id, NEW.ai_model)
            IS NOT DISTINCT FROM (OLD.id, OLD.study_uid, OLD.revision, OLD.draft_id, OLD.ai_model)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the signed report % is never changed', OLD.id USING ERRCODE = 'insufficient_privilege';
END;
$$;

GRANT SELECT, INSERT, UPDATE ON alerts TO janus_app;
GRANT USAGE ON SEQUENCE alerts_id_seq TO janus_app;
