"""google-genai makes a function of each tool at /mcp: google_genai.py URL TOKEN DATASET, a line of JSON each finding."""
import asyncio
import json
import sys

from fastmcp import Client
from google.genai import _mcp_utils

url, token, _ = sys.argv[1:4]


async def main():
    async with Client(url, **({"auth": token} if token else {})) as client:
        tools = await client.list_tools()
    print(json.dumps({"tools": [tool.name for tool in tools]}), flush=True)
    made = [_mcp_utils.mcp_to_gemini_tool(tool) for tool in tools]
    same = [each.function_declarations[0].name for each in made] == [tool.name for tool in tools]
    print(json.dumps({"functions": same}), flush=True)


asyncio.run(main())
