"""Front doors of the lab as the benches of moves want them."""

DEFAULTS = ("heartbeat", "late_commit", "queue_free", "release_retry_min", "release_retry_max",
            "stop_timeout", "replica_cache", "queue_cache")


def plain(milter):
    """With the defaults of restante.conf, and a log that does not cost more than in operation."""
    settings = milter.settings

    def ours():
        sections = settings()
        sections["log"]["level"] = "info"
        for key in DEFAULTS:
            sections["milter"].pop(key, None)
        return sections
    milter.settings = ours
    milter.configure()
