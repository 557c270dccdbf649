# Workers of every queue, and the commands that prepare a library. Build from the root of the repository:
#   docker build -f docker/worker.Dockerfile -t vsearch-worker .
# The same image is for CPU and GPU: torch brings what it needs, compose.gpu.yaml hands the device in.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements/base.txt requirements/
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --requirement requirements/base.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /data vsearch \
 && install -d -o vsearch -g vsearch /data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY manage.py pyproject.toml LICENSE NOTICE ./
COPY apps apps
COPY vsearch vsearch
COPY worker worker
COPY templates templates
COPY static static
COPY recipes recipes
COPY models models
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 \
    TOKENIZERS_PARALLELISM=false VSEARCH_DATA_DIR=/data
USER vsearch
VOLUME /data
STOPSIGNAL SIGTERM
CMD ["celery", "-A", "worker.app", "worker", "--queues", "gpu", "--pool", "threads", "--concurrency", "1", \
     "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
