"""Reading videos that strangers made: probing, decoding, shots, pictures, proxies.

Every call on an untrusted file goes through ``sandbox.runner`` (a child process with limits and whitelists).
"""
