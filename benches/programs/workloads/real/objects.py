"""Objects in dictionaries, lists and heaps: a graph, its shortest paths, and its changes."""

import heapq
import random
import sys

random.seed(83)
size = int(sys.argv[1])


class Edge:
    def __init__(self, to, weight, label):
        self.to, self.weight, self.label = to, weight, label


class Node:
    __slots__ = ("name", "edges", "marks")

    def __init__(self, number):
        self.name = "node %d" % number
        self.edges = []
        self.marks = {"group": number % 7, "tags": ["a%d" % (number % 31)] * (number % 4)}


def paths(nodes, start):
    """The shortest way to each node, and the sum of all."""
    seen, heap = {}, [(0, start, ())]
    while heap:
        cost, at, way = heapq.heappop(heap)
        if at in seen:
            continue
        seen[at] = (cost, way)
        for edge in nodes[at].edges:
            if edge.to not in seen:
                heapq.heappush(heap, (cost + edge.weight, edge.to, (at, way)))
    return sum(cost for cost, _ in seen.values())


nodes = {number: Node(number) for number in range(size)}
for number, node in nodes.items():
    for _ in range(6):
        node.edges.append(Edge(random.randrange(size), random.randrange(1, 100), "%x" % random.getrandbits(40)))
total = 0
for _ in range(3):
    total += paths(nodes, random.randrange(size))
    for number in random.sample(range(size), size // 4):
        fresh = Node(number)
        fresh.edges = nodes[number].edges[1:] + [Edge(random.randrange(size), 5, "fresh")]
        nodes[number] = fresh
groups = {}
for node in nodes.values():
    groups.setdefault((node.marks["group"], len(node.marks["tags"])), []).append(node.name)
print(total, sorted((key, len(names)) for key, names in groups.items())[:5])
