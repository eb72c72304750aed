/** What Qdrant's REST interface answers to the calls that vectord makes, searched exactly. */
import { distanceOf } from "../../../workers/vectord/engine/distance.ts";

interface Point {
  id: string;
  vector: number[];
  payload: Record<string, unknown>;
}
interface Asked {
  query: number[];
  limit: number;
  filter?: { must: { has_id: string[] }[] };
}

const metrics = { Cosine: "cosine", Dot: "ip", Euclid: "l2" } as const;

export function qdrantStub(key: string) {
  const collections = new Map<
    string,
    { distance: keyof typeof metrics; size: number; points: Map<string, Point> }
  >();
  let broken = false;
  const ok = (result: unknown) => Response.json({ result, status: "ok" });
  const server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      if (request.headers.get("api-key") !== key)
        return new Response("Must provide an API key", { status: 401 });
      if (broken) return Response.json({ status: { error: "shard 2 is not there" } }, { status: 500 });
      const [, , name = "", ...rest] = pathname.split("/");
      const call = `${request.method} ${rest.join("/")}`;
      const body = request.body && request.method !== "GET" ? await request.json().catch(() => ({})) : {};
      if (name === "") return ok({ collections: [...collections.keys()].map((one) => ({ name: one })) });
      if (call === "PUT ") {
        if (collections.has(name)) return new Response("already exists", { status: 409 });
        collections.set(name, { ...body.vectors, points: new Map() });
        return ok(true);
      }
      if (call === "DELETE ") return ok(collections.delete(name));
      const held = collections.get(name);
      if (!held) return Response.json({ status: { error: "Not found" } }, { status: 404 });
      if (call === "PUT points") {
        const bad = (body.points as Point[]).find(({ vector }) => vector.length !== held.size);
        if (bad) return Response.json({ status: { error: "Vector dimension error" } }, { status: 400 });
        for (const point of body.points as Point[]) held.points.set(point.id, point);
        return ok({ status: "completed" });
      }
      if (call === "POST points")
        return ok((body.ids as string[]).flatMap((id) => held.points.get(id) ?? []));
      if (call === "POST points/delete") {
        for (const id of body.points as string[]) held.points.delete(id);
        return ok({ status: "completed" });
      }
      if (call !== "POST points/query/batch") return new Response("no such call", { status: 405 });
      const distance = distanceOf(metrics[held.distance]);
      const near = ({ query, limit, filter }: Asked) => {
        const wanted = filter?.must[0]?.has_id;
        const [from, all] = [Float32Array.from(query), [...held.points.values()]];
        const some = all.filter(({ id }) => !wanted || wanted.includes(id));
        const by = some.map((point) => [distance(from, Float32Array.from(point.vector), 0), point] as const);
        return {
          points: by
            .sort(([a], [b]) => a - b)
            .slice(0, limit)
            .map(([, point]) => point),
        };
      };
      return ok((body.searches as Asked[]).map(near));
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    collections,
    breaks: (now: boolean) => {
      broken = now;
    },
    stop: () => server.stop(true),
  };
}
