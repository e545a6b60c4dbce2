-- Embeddings and questions belong to a study: they are gone as soon as its patient is erased.

GRANT SELECT, INSERT, DELETE ON draft_embeddings TO janus_app;
GRANT USAGE ON SEQUENCE draft_embeddings_id_seq TO janus_app;
GRANT SELECT, INSERT ON questions TO janus_app;
GRANT UPDATE (state, reason, answer, model, ended_at) ON questions TO janus_app;
GRANT USAGE ON SEQUENCE questions_id_seq TO janus_app;

-- Only janus_erase_patient writes into erasures, and it does so before it touches drafts and studies.
CREATE FUNCTION janus_erase_context() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM draft_embeddings WHERE study_uid = ANY (NEW.study_uids);
    DELETE FROM questions WHERE study_uid = ANY (NEW.study_uids);
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION janus_erase_context() FROM PUBLIC;

CREATE TRIGGER context_is_erased AFTER INSERT ON erasures
    FOR EACH ROW EXECUTE FUNCTION janus_erase_context();
