"""What is computed over the library: matching, lookups, comparing two models. Knows neither Celery nor Django.

Rows and the vector index are passed in; ``stored`` says what is read of them.
"""
