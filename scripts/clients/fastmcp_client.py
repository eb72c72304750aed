"""fastmcp at /mcp: fastmcp_client.py URL TOKEN DATASET, a line of JSON each finding."""
import asyncio
import json
import sys

from fastmcp import Client

url, token, dataset = sys.argv[1:4]


def tell(**found):
    print(json.dumps(found), flush=True)


async def main():
    async with Client(url, **({"auth": token} if token else {})) as client:
        tell(tools=[tool.name for tool in await client.list_tools()])
        answer = await client.call_tool("query_sql", {"sql": f"SELECT name FROM {dataset} ORDER BY id"})
        tell(rows=answer.structured_content["rows"])
        failed = await client.call_tool("query_sql", {"sql": "SELECT gone"}, raise_on_error=False)
        tell(refused=failed.is_error and "sql_error" in failed.content[0].text)
        tell(prompts=[prompt.name for prompt in await client.list_prompts()])
        content = await client.read_resource(f"lakehouse://datasets/{dataset}")
        tell(resource=json.loads(content[0].text)["manifest"]["name"] == dataset)


asyncio.run(main())
