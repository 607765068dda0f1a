# Two images from one file: `web` has no torch, `trainer` has.
#   docker build --target web --tag instructloop-web .
#   docker build --target trainer --tag instructloop-trainer .

FROM python:3.11-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DJANGO_SETTINGS_MODULE=server.settings.production \
    DATA_DIR=/data
RUN useradd --create-home --uid 10001 instructloop \
    && mkdir /data \
    && chown instructloop:instructloop /data
WORKDIR /app
COPY requirements-web.lock ./
RUN pip install --requirement requirements-web.lock
VOLUME /data


FROM base AS web
COPY manage.py CHANGELOG.md ./
COPY server server
COPY labeling labeling
COPY training training
COPY templates templates
COPY static static
# Static files go into the image, not into the volume; the key signs nothing.
RUN DATA_DIR=/tmp/build STATIC_DIR=/app/collected-static SECRET_KEY=only-for-collecting-static-files-while-the-image-is-built \
    ALLOWED_HOSTS=localhost python manage.py collectstatic --noinput \
    && rm -rf /tmp/build
ENV STATIC_DIR=/app/collected-static
USER instructloop
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["python", "-m", "server.probe"]
CMD ["gunicorn", "--bind", "0.0.0.0:8000", "--workers", "3", "--threads", "1", "--timeout", "120", "--access-logfile", "-", "--no-control-socket", "server.wsgi:application"]


FROM base AS trainer
# Empty for pip's own index, which has CUDA builds; https://download.pytorch.org/whl/cpu for CPU builds.
ARG TORCH_INDEX_URL=
COPY requirements-train.lock ./
RUN pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "$(grep '^torch==' requirements-train.lock)" \
    && pip install --requirement requirements-train.lock
COPY manage.py CHANGELOG.md ./
COPY server server
COPY labeling labeling
COPY training training
COPY templates templates
COPY static static
USER instructloop
CMD ["celery", "-A", "server", "worker", "--queues", "gpu", "--concurrency", "1", "--loglevel", "INFO"]
