-- Second reviews: who scores has not signed, what is scored stays, and an erasure takes the words.

GRANT SELECT, INSERT ON second_review_draws TO janus_app;
GRANT SELECT, INSERT ON second_reviews TO janus_app;
GRANT USAGE ON SEQUENCE second_reviews_id_seq TO janus_app;
GRANT UPDATE (reviewer_id, taken_at, score, comment, was_blind, scored_at) ON second_reviews TO janus_app;

CREATE FUNCTION janus_guard_second_review() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.score IS NOT NULL AND NOT (NEW.comment = ''
            AND to_jsonb(NEW) - 'comment' = to_jsonb(OLD) - 'comment' AND janus_is_erasing(OLD.report_id)) THEN
        RAISE EXCEPTION 'a second review that was scored stays as it is' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NEW.reviewer_id IS NOT NULL AND EXISTS (SELECT 1 FROM attestations
            WHERE report_id = NEW.report_id AND user_id = NEW.reviewer_id) THEN
        RAISE EXCEPTION 'nobody reviews what they have signed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END;
$$;
CREATE TRIGGER second_review_is_fair BEFORE INSERT OR UPDATE ON second_reviews
    FOR EACH ROW EXECUTE FUNCTION janus_guard_second_review();

-- What janus_erase_patient writes into erasures starts this: it needs no second version of that function.
CREATE FUNCTION janus_erase_second_reviews() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM second_reviews WHERE score IS NULL
        AND report_id IN (SELECT id FROM reports WHERE study_uid = ANY (NEW.study_uids));
    UPDATE second_reviews SET comment = ''
        WHERE report_id IN (SELECT id FROM reports WHERE study_uid = ANY (NEW.study_uids));
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION janus_erase_second_reviews() FROM PUBLIC;
CREATE TRIGGER second_reviews_are_erased AFTER INSERT ON erasures
    FOR EACH ROW EXECUTE FUNCTION janus_erase_second_reviews();
