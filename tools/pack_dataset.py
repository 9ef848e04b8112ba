from paddleseg_lite.cli.pack_dataset import main

if __name__ == "__main__":
    main()
