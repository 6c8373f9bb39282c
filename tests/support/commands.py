"""The commands that there are; a test holds --help and the documents to them."""

COMMANDS = ["node", "orchestrator", "fleet", "demo", "doctor", "status", "version", "modules", "history", "errors", "requests", "reload", "rollback", "remove", "rules", "watch",
            "freeze", "unfreeze", "bypass", "drill",
            "inspect", "validate", "new-rule", "sign", "verify", "archive", "key", "compile", "completion", "man"]
