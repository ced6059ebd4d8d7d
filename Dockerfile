# jobfleet in a slim image: `docker build -t jobfleet .`, then `docker run --rm jobfleet --help`.
# Scenarios and run directories are mounted: docs/install.md.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml requirements.txt README.md LICENSE ./
COPY simulator simulator
COPY scenarios scenarios
# The locked versions, without what only development needs: constraints install nothing by themselves.
RUN sed -nE 's/^([^ ]+==[^\\]+).*/\1/p' requirements.txt > constraints.txt \
    && python -m venv /opt/jobfleet \
    && /opt/jobfleet/bin/pip install --no-cache-dir --constraint constraints.txt '.[parquet]'

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 jobfleet
COPY --from=build /opt/jobfleet /opt/jobfleet
ENV PATH=/opt/jobfleet/bin:$PATH
USER jobfleet
WORKDIR /home/jobfleet
EXPOSE 1883 8080 8883 8443
# Of `serve`; what ends by itself is never asked.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/health', timeout=2)"]
ENTRYPOINT ["jobfleet"]
CMD ["--help"]
