from paddleseg_lite.cli.export import main

if __name__ == "__main__":
    main()
