-- Erasure: the one way in which what was signed, or stands under a name, can go. Each text is blanked or its row
-- deleted; who signed which digest, and when, stays, and so does the whole audit log.

GRANT SELECT, INSERT, DELETE ON patient_holds TO janus_app;
GRANT SELECT ON erasures TO janus_app;

-- Whether this transaction erases the patient of a report. Only janus_erase_patient writes the row it looks for.
CREATE FUNCTION janus_is_erasing(report integer) RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM erasures, reports
        WHERE erasures.transaction = pg_current_xact_id()::text::bigint
            AND reports.id = report AND reports.study_uid = ANY (erasures.study_uids));
$$;

DROP TRIGGER attestations_are_final ON attestations;
CREATE TRIGGER attestations_are_final BEFORE DELETE OR TRUNCATE ON attestations
    FOR EACH STATEMENT EXECUTE FUNCTION janus_refuse_change();
CREATE TRIGGER attestation_is_final BEFORE UPDATE ON attestations FOR EACH ROW
    WHEN (NOT (NEW.text = '' AND to_jsonb(NEW) - 'text' = to_jsonb(OLD) - 'text' AND janus_is_erasing(OLD.report_id)))
    EXECUTE FUNCTION janus_refuse_change();

DROP TRIGGER amendments_are_final ON amendments;
CREATE TRIGGER amendments_are_final BEFORE DELETE OR TRUNCATE ON amendments
    FOR EACH STATEMENT EXECUTE FUNCTION janus_refuse_change();
CREATE TRIGGER amendment_is_final BEFORE UPDATE ON amendments FOR EACH ROW
    WHEN (NOT (NEW.text IN ('', 'erased') AND coalesce(NEW.sections, '{}') = '{}' AND NEW.reason IN ('', 'erased')
        AND to_jsonb(NEW) - '{text,sections,reason}'::text[] = to_jsonb(OLD) - '{text,sections,reason}'::text[]
        AND janus_is_erasing(OLD.report_id)))
    EXECUTE FUNCTION janus_refuse_change();

DROP TRIGGER signed_text_is_final ON sentences;
CREATE TRIGGER signed_text_is_final BEFORE INSERT OR DELETE ON sentences
    FOR EACH ROW EXECUTE FUNCTION janus_guard_sentence();
CREATE TRIGGER signed_text_stays BEFORE UPDATE ON sentences FOR EACH ROW
    WHEN (NOT (NEW.text = '' AND NEW.ai_text = '' AND NEW.report_id = OLD.report_id AND NEW.key = OLD.key
        AND janus_is_erasing(OLD.report_id)))
    EXECUTE FUNCTION janus_guard_sentence();

-- Every identifier of a person: the one that was asked for, and those that the records have merged with it.
CREATE FUNCTION janus_identifiers(wanted_id text, wanted_issuer text)
RETURNS TABLE (patient_id text, issuer text)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH root AS (
        SELECT coalesce(merged_into_id, id) AS id FROM patient_identities AS known
            WHERE known.patient_id = wanted_id AND known.issuer = wanted_issuer
    )
    SELECT wanted_id, wanted_issuer
    UNION
    SELECT known.patient_id, known.issuer FROM patient_identities AS known
        JOIN root ON root.id = known.id OR root.id = known.merged_into_id;
$$;

-- Every study whose images or records name the person; `of_another` where the records name somebody else.
CREATE FUNCTION janus_studies_of(wanted_id text, wanted_issuer text)
RETURNS TABLE (study_uid text, of_another boolean)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH person AS (SELECT * FROM janus_identifiers(wanted_id, wanted_issuer)),
    named AS (
        SELECT study.study_uid, recorded.id IS NOT NULL AS is_recorded,
            (imaged.patient_id, imaged.issuer) IN (SELECT patient_id, issuer FROM person) AS by_images,
            (recorded.patient_id, recorded.issuer) IN (SELECT patient_id, issuer FROM person) AS by_records
        FROM studies AS study
        JOIN patients AS imaged ON imaged.id = study.patient_row_id
        LEFT JOIN study_patients ON study_patients.study_uid = study.study_uid
        LEFT JOIN patients AS recorded ON recorded.id = study_patients.patient_row_id
    )
    SELECT named.study_uid::text, is_recorded AND NOT coalesce(by_records, false) FROM named
        WHERE by_images OR coalesce(by_records, false);
$$;

-- Erases a person. Refuses without the audit entry of the same transaction, with a hold, and where a study belongs to
-- somebody else by the records. A study that nobody signed is deleted; a signed one stays as a frame without words.
CREATE FUNCTION janus_erase_patient(
    wanted_id text, wanted_issuer text, reference text, quarantined integer[], by_whom text, why text, at timestamptz
) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    uids text[];
    signed text[];
    unsigned text[];
    reports_gone integer[];
    described integer[];
    erasure integer;
    tombstone integer;
BEGIN
    IF wanted_id = '' THEN
        RAISE EXCEPTION 'no PatientID: images without one are of many people' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT EXISTS (SELECT 1 FROM audit_log JOIN audit_head ON audit_head.seq = audit_log.seq
            WHERE audit_log.event = 'patient erased' AND audit_log.patient_ref = reference
                AND audit_log.xmin = pg_current_xact_id()::xid) THEN
        RAISE EXCEPTION 'there is no erasure without its audit entry' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT coalesce(array_agg(study_uid), '{}') INTO uids FROM janus_studies_of(wanted_id, wanted_issuer);
    IF EXISTS (SELECT 1 FROM janus_studies_of(wanted_id, wanted_issuer) WHERE of_another)
        OR EXISTS (SELECT 1 FROM patient_holds JOIN janus_identifiers(wanted_id, wanted_issuer) USING (patient_id, issuer))
        OR EXISTS (SELECT 1 FROM holds WHERE study_uid = ANY (uids)) THEN
        RAISE EXCEPTION 'the patient is held, or a study is of another one' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT coalesce(array_agg(DISTINCT reports.study_uid), '{}') INTO signed
        FROM reports JOIN attestations ON attestations.report_id = reports.id WHERE reports.study_uid = ANY (uids);
    unsigned := ARRAY(SELECT unnest(uids) EXCEPT SELECT unnest(signed));
    SELECT coalesce(array_agg(row_id), '{}') INTO described FROM (
        SELECT patient_row_id AS row_id FROM studies WHERE study_uid = ANY (uids)
        UNION SELECT patient_row_id FROM study_patients WHERE study_uid = ANY (uids)
        UNION SELECT patients.id FROM patients JOIN janus_identifiers(wanted_id, wanted_issuer) USING (patient_id, issuer)
    ) AS rows;
    INSERT INTO erasures (transaction, patient_ref, study_uids, username, reason, erased_at)
        VALUES (pg_current_xact_id()::text::bigint, reference, uids, by_whom, why, at) RETURNING id INTO erasure;

    -- orders, beside the identities that find them
    DELETE FROM orders USING janus_identifiers(wanted_id, wanted_issuer) AS person
        WHERE orders.patient_id = person.patient_id AND (orders.issuer = person.issuer
            OR (orders.issuer = '' AND orders.accession_number IN
                (SELECT accession_number FROM studies WHERE study_uid = ANY (uids) AND accession_number <> '')));

    -- images: the spool removes what is marked here
    INSERT INTO purged_instances (sop_uid, study_uid, sha256, size, purged_at)
        SELECT sop_uid, study_uid, sha256, size, at FROM instances WHERE study_uid = ANY (uids)
        ON CONFLICT (sop_uid) DO UPDATE SET purged_at = at, removed_at = NULL, restored_at = NULL
            WHERE purged_instances.restored_at IS NOT NULL;
    DELETE FROM instances WHERE study_uid = ANY (uids);
    UPDATE quarantine SET reason = 'erased' WHERE study_uid = ANY (uids) OR id = ANY (quarantined);
    UPDATE quarantine_decisions SET reason = '', outcome = left(outcome, 7)
        WHERE quarantine_id IN (SELECT id FROM quarantine WHERE study_uid = ANY (uids));
    -- those of the patient are discarded; housekeeping removes the bytes of what was discarded as erased
    INSERT INTO quarantine_decisions (quarantine_id, decision, reason, username, decided_at, outcome)
        SELECT id, 'discard', 'erased', by_whom, at, '' FROM quarantine WHERE id = ANY (quarantined)
        ON CONFLICT (quarantine_id) DO UPDATE SET decision = 'discard', reason = 'erased', outcome = '';
    DELETE FROM priors WHERE study_uid = ANY (uids) OR prior_uid = ANY (uids);

    -- what was written: the rows under a signature lose their words
    DELETE FROM report_locks WHERE report_id IN (SELECT id FROM reports WHERE study_uid = ANY (uids));
    UPDATE attestations SET text = '' WHERE report_id IN (SELECT id FROM reports WHERE study_uid = ANY (uids));
    UPDATE amendments SET text = CASE text WHEN '' THEN '' ELSE 'erased' END, sections = CASE WHEN sections IS NULL THEN NULL ELSE '{}'::jsonb END,
        reason = CASE reason WHEN '' THEN '' ELSE 'erased' END
        WHERE report_id IN (SELECT id FROM reports WHERE study_uid = ANY (signed));
    UPDATE sentences SET text = '', ai_text = '', findings = '[]', region = NULL, confidence = NULL
        WHERE report_id IN (SELECT id FROM reports WHERE study_uid = ANY (signed));
    UPDATE drafts SET reason = '', findings = '[]', sentences = '[]', report = '{}', issues = '[]', timings = '{}',
        provenance = '{}' WHERE study_uid = ANY (signed);
    UPDATE critical_results SET finding = 'erased', receiver = CASE receiver WHEN '' THEN '' ELSE 'erased' END,
        reason = CASE reason WHEN '' THEN '' ELSE 'erased' END WHERE study_uid = ANY (signed);
    UPDATE deliveries SET reason = '' WHERE study_uid = ANY (signed);
    UPDATE commitments SET reason = '' WHERE delivery_id IN
        (SELECT id FROM deliveries WHERE study_uid = ANY (signed));
    UPDATE dead_letters SET reason = 'erased' WHERE study_uid = ANY (uids);
    UPDATE study_access SET reason = 'erased' WHERE study_uid = ANY (uids);
    UPDATE emergency_accesses SET reason = 'erased' WHERE study_uid = ANY (uids);

    -- studies that nobody signed
    SELECT coalesce(array_agg(id), '{}') INTO reports_gone FROM reports WHERE study_uid = ANY (unsigned);
    DELETE FROM critical_results WHERE study_uid = ANY (unsigned);
    DELETE FROM sentences WHERE report_id = ANY (reports_gone);
    DELETE FROM reports WHERE id = ANY (reports_gone);
    DELETE FROM drafts WHERE study_uid = ANY (unsigned);
    DELETE FROM study_patients WHERE study_uid = ANY (uids);
    DELETE FROM studies WHERE study_uid = ANY (unsigned);

    -- who it was
    INSERT INTO patients (patient_id, issuer, name, birth_date, sex, reference)
        VALUES ('erased-' || erasure, '', 'erased', '', '', reference) RETURNING id INTO tombstone;
    UPDATE studies SET patient_row_id = tombstone, accession_number = '', study_id = '', study_date = '',
        study_time = '', description = '', referring_physician = '', body_part = '', reason = '', priority_reason = ''
        WHERE study_uid = ANY (signed);
    DELETE FROM patient_identities USING janus_identifiers(wanted_id, wanted_issuer) AS person
        WHERE patient_identities.patient_id = person.patient_id AND patient_identities.issuer = person.issuer;
    DELETE FROM patients WHERE id = ANY (described) AND id <> tombstone
        AND NOT EXISTS (SELECT 1 FROM studies WHERE patient_row_id = patients.id)
        AND NOT EXISTS (SELECT 1 FROM study_patients WHERE patient_row_id = patients.id)
        AND NOT EXISTS (SELECT 1 FROM patient_identities WHERE patient_row_id = patients.id);
    RETURN erasure;
END;
$$;
REVOKE ALL ON FUNCTION janus_erase_patient(text, text, text, integer[], text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION janus_erase_patient(text, text, text, integer[], text, text, timestamptz) TO janus_app;
