-- Word that something in the worklist has changed: never what, and of whom. PostgreSQL joins equal words of one
-- transaction into one, and sends them when it commits. Renewed leases and times of images are no news.

CREATE FUNCTION worklist_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('worklist', '');
    RETURN NULL;
END $$;

CREATE TRIGGER study_is_new AFTER INSERT ON studies
    FOR EACH ROW EXECUTE FUNCTION worklist_changed();
CREATE TRIGGER study_has_changed AFTER UPDATE OF state, revision, priority, priority_reason, reason ON studies
    FOR EACH ROW WHEN ((OLD.state, OLD.revision, OLD.priority, OLD.priority_reason, OLD.reason)
        IS DISTINCT FROM (NEW.state, NEW.revision, NEW.priority, NEW.priority_reason, NEW.reason))
    EXECUTE FUNCTION worklist_changed();

CREATE TRIGGER report_is_new AFTER INSERT ON reports
    FOR EACH ROW EXECUTE FUNCTION worklist_changed();
CREATE TRIGGER report_has_changed AFTER UPDATE OF state ON reports
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION worklist_changed();

CREATE TRIGGER lock_is_new AFTER INSERT OR DELETE ON report_locks
    FOR EACH ROW EXECUTE FUNCTION worklist_changed();
CREATE TRIGGER lock_has_changed AFTER UPDATE OF user_id ON report_locks
    FOR EACH ROW WHEN (OLD.user_id IS DISTINCT FROM NEW.user_id)
    EXECUTE FUNCTION worklist_changed();

CREATE TRIGGER delivery_is_new AFTER INSERT ON deliveries
    FOR EACH ROW EXECUTE FUNCTION worklist_changed();
CREATE TRIGGER delivery_has_changed AFTER UPDATE OF state ON deliveries
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION worklist_changed();
