# A fleet of machines

Once upon a time, there was a fleet: it had 4 hosts, and none of them was well.
- first, nobody knew why;
- then, somebody looked.

    fleetfall run this

"hosts": 4
{ "fleet": "kernel" }
