"""What opens this machine to the product under test: the servers that stand in for others listen here."""

from atelier.network import openings

EVERY_PORT = openings.parse("localhost:1-65535")
EVERY_PORT_TEXT = "localhost:1-65535"
