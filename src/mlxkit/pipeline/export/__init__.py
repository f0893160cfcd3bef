"""Files that let a scheduler run a project: Airflow, cron, systemd."""
