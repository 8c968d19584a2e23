"""What the API says of itself: descriptions of the handlers, the OpenAPI document, Swagger UI."""
