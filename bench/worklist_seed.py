"""A worklist of many studies for benches: all states, images, reports, deliveries, readers."""

from __future__ import annotations

import psycopg

from app.settings import Settings
from app.store.embedded import EmbeddedPostgres

_SEED = """
INSERT INTO users (id, username, printed_name, role, password_hash, disabled, failed_attempts, created_at)
SELECT 1000 + n, 'reader' || n, 'Dr Reader ' || n, 'attending', %(password_hash)s, false, 0, now()
FROM generate_series(1, 20) n;
INSERT INTO patients (patient_id, issuer, name, birth_date, sex, reference)
SELECT 'P' || lpad(n::text, 7, '0'), 'HOSPITAL',
    (ARRAY['Schmidt','Garcia','Wang','Martin','Okafor','Rossi','Nguyen','Smith','Ivanova','Tanaka'])[1 +
    n %% 10]
    || '-' || md5(n::text) || '^' || (ARRAY['Anna','Juan','Li','Claire','Ada','Paolo','Minh'])[1 + n %% 7],
    '19' || lpad((20 + n %% 80)::text, 2, '0') || '0101', (ARRAY['F','M'])[1 + n %% 2], md5(n::text)
FROM generate_series(0, %(studies)s / 3) n;
INSERT INTO studies (study_uid, patient_row_id, accession_number, study_id, study_date, study_time,
    description, referring_physician, modality, body_part, state, reason, revision, priority,
    priority_reason, calling_ae, called_ae, received_at, last_instance_at, completed_at)
SELECT '1.2.' || n, p.id, 'A' || lpad(n::text, 8, '0'), 'S' || n,
    to_char(now() - n * interval '20 minutes', 'YYYYMMDD'), lpad((n * 7919 %% 235959)::text, 6, '0'),
    (ARRAY['Chest PA and lateral','Thorax AP bedside','CT thorax','Hand left'])[1 + n %% 4], 'Referrer^R',
    (ARRAY['DX','CR','CT','DX'])[1 + n %% 4], 'CHEST',
    CASE WHEN n %% 50 = 0 THEN 'COMPLETE' WHEN n %% 50 = 1 THEN 'RECEIVING' WHEN n %% 4 = 3 THEN 'UNDRAFTED'
         WHEN n %% 50 = 2 THEN 'EXCLUDED' ELSE 'DRAFTED' END,
    CASE WHEN n %% 4 = 3 THEN 'not a frontal chest radiograph' ELSE '' END, 1,
    CASE WHEN n %% 37 = 0 THEN 100 WHEN n %% 23 = 0 THEN 50 ELSE 0 END,
    CASE WHEN n %% 37 = 0 THEN 'ordered STAT' WHEN n %% 23 = 0 THEN 'AI: possible pneumothorax' ELSE
    'routine' END,
    'SENDER', 'JANUSMED', now() - n * interval '20 minutes', now(), now()
FROM generate_series(1, %(studies)s) n JOIN patients p ON p.reference = md5((n %% (%(studies)s / 3))::text);
INSERT INTO instances (sop_uid, study_uid, series_uid, sop_class_uid, transfer_syntax_uid, modality,
    series_number, instance_number, rows, columns, sha256, size, revision, received_at)
SELECT '1.2.' || n || '.1.' || i, '1.2.' || n, '1.2.' || n || '.1', '1.2.840.10008.5.1.4.1.1.1',
    '1.2.840.10008.1.2.1', 'DX', 1, i, 2500, 2048, md5(n::text || i) || md5(n::text), 10000000, 1, now()
FROM generate_series(1, %(studies)s) n, generate_series(1, CASE WHEN n %% 100 = 2 THEN 100 ELSE 1 + n %%
    3 END) i;
INSERT INTO reports (id, study_uid, revision, ai_model, state, version, updated_at)
SELECT 10 * n, '1.2.' || n, 1, '', CASE WHEN n < 5000 AND n %% 3 > 0 THEN 'DRAFTED' WHEN n < 5000 THEN
    'IN_REVIEW'
    WHEN n %% 20 = 5 THEN 'PRELIMINARY' ELSE 'SIGNED' END, 1, now()
FROM generate_series(1, %(studies)s) n WHERE n %% 50 > 2;
INSERT INTO report_locks (report_id, user_id, taken_at, expires_at)
SELECT 30 * n, 1001 + n %% 20, now(), now() + interval '1 hour' FROM generate_series(1, 40) n
WHERE 3 * n %% 50 > 2 AND 3 * n <= %(studies)s;
INSERT INTO attestations (id, report_id, report_version, user_id, username, printed_name, role, meaning,
    signed_at, text, sha256)
SELECT id, id, 1, 1001, 'reader1', 'Dr Reader 1', 'attending', 'final', now(), '', md5(id::text) ||
    md5(id::text)
FROM reports WHERE state = 'SIGNED';
INSERT INTO deliveries (report_id, attestation_id, study_uid, destination, kind, sop_uid, state, attempts,
    reason, created_at, sent_at)
SELECT r.id, r.id, r.study_uid, 'PACS', kind, r.study_uid || '.9.' || length(kind),
    CASE WHEN r.id %% 970 = 0 THEN 'DEAD' WHEN r.id %% 310 = 0 THEN 'PENDING' ELSE 'SENT' END, 1, '',
    now(), now()
FROM reports r, unnest(ARRAY['report_sr','encapsulated_pdf']) kind WHERE r.state = 'SIGNED';
INSERT INTO procrastinate_jobs (queue_name, task_name, priority, queueing_lock, args)
SELECT 'draft', 'draft_study', priority, 'draft:' || study_uid || ':1',
    jsonb_build_object('study_uid', study_uid, 'revision', 1)
FROM studies WHERE state = 'COMPLETE' ORDER BY received_at;
SELECT setval('reports_id_seq', (SELECT max(id) FROM reports));
SELECT setval('users_id_seq', (SELECT max(id) FROM users));
"""


def fill(settings: Settings, studies: int, *, password_hash: str = "") -> None:
    """Fill an empty database with studies, a third as many patients, and 20 readers."""
    embedded = EmbeddedPostgres(settings)
    with psycopg.connect(embedded.attach().owner, autocommit=True) as connection:
        values = {"studies": studies, "password_hash": password_hash}
        for statement in _SEED.split(";\n"):
            if statement.strip():
                connection.execute(statement, values)
        connection.execute("VACUUM ANALYZE")
    embedded.detach()
