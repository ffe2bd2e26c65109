# Two stages: the first has the compiler, the second only what the binary needs.
FROM debian:13 AS build
WORKDIR /src
COPY scripts/setup scripts/setup
RUN scripts/setup build
COPY . .
RUN cmake --preset release -DHEADGATE_TESTS=OFF -DHEADGATE_BENCH=OFF && cmake --build build/release \
 && mkdir -p /out/usr/bin /out/lib \
 && cp build/release/headgate /out/usr/bin/ && strip /out/usr/bin/headgate \
 && ldd build/release/headgate | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | xargs -r dpkg -S 2>/dev/null \
  | cut -d: -f1 | sort -u >/out/packages

FROM debian:13-slim
COPY --from=build /out/packages /tmp/packages
RUN apt-get update && xargs -r apt-get install --yes --no-install-recommends ca-certificates </tmp/packages \
 && rm -rf /var/lib/apt/lists/* /tmp/packages \
 && useradd --system --no-create-home headgate
COPY --from=build /out/usr/bin/headgate /usr/bin/headgate
COPY conf/headgate.yaml /usr/share/doc/headgate/headgate.yaml
USER headgate
EXPOSE 993 143 9143
# The admin address of the example configuration; change both or none.
HEALTHCHECK CMD ["/usr/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9143 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *200* ]]"]
ENTRYPOINT ["/usr/bin/headgate"]
CMD ["run", "--config", "/etc/headgate/headgate.yaml"]
