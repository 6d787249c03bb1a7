# The image of TideTalk: built in the first stage, only the program and what it needs in the second.
#   docker build -t tidetalk . && docker run -p 8080:8080 -v tidetalk:/data tidetalk
# Data is in the volume /data, also the secret key (made on the first start).
FROM debian:12-slim AS build
WORKDIR /src
COPY scripts ./scripts
RUN scripts/install.sh build
COPY CMakeLists.txt CMakePresets.json ./
COPY cmake ./cmake
COPY core ./core
COPY web/dist ./web/dist
RUN scripts/build.sh release && strip build/release/tidetalk

FROM debian:12-slim
COPY scripts /tmp/scripts
RUN /tmp/scripts/install.sh run \
    && rm -rf /tmp/scripts /var/lib/apt/lists/* \
    && useradd --system --user-group --home-dir /data --shell /usr/sbin/nologin tidetalk \
    && install -d -o tidetalk -g tidetalk -m 0750 /data
COPY --from=build /src/build/release/tidetalk /usr/bin/tidetalk
COPY lua /usr/share/tidetalk/lua
COPY migrations /usr/share/tidetalk/migrations
COPY style.yaml /usr/share/tidetalk/style.yaml
ENV TIDETALK_LISTEN=0.0.0.0:8080 \
    TIDETALK_DATA_DIR=/data \
    TIDETALK_LUA_DIR=/usr/share/tidetalk/lua \
    TIDETALK_MIGRATIONS_DIR=/usr/share/tidetalk/migrations \
    TIDETALK_PERSONAS=/usr/share/tidetalk/style.yaml
WORKDIR /data
USER tidetalk
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["tidetalk", "health"]
ENTRYPOINT ["tidetalk"]
CMD ["serve"]
